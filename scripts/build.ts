// npm run build: dist/muster, one executable.
import { buildExecutable } from './lib/build-executable.ts';

try {
  await buildExecutable();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
