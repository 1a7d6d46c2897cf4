// npm run package: dist/muster_<version>_<architecture>.deb, a Debian package of the executable and all that goes with it.
import { join } from 'node:path';
import { buildExecutable } from './lib/build-executable.ts';
import { buildDebianPackage } from './lib/debian-package.ts';
import { root } from './lib/paths.ts';

try {
  const executable = await buildExecutable();
  process.stdout.write(`${await buildDebianPackage({ executable, folder: join(root, 'dist') })}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
