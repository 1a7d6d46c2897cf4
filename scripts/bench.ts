// npm run -s bench -- [--json] [name…]: measures, each figure against its baseline in the same run.
import { ensureHostPackages } from '../test/lab/host-packages.ts';
import { buildExecutable } from './lib/build-executable.ts';
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
await ensureHostPackages();
await buildExecutable();
const { code } = await runCommand([pinnedNode, 'bench/run.ts', ...process.argv.slice(2)]);
process.exitCode = code;
