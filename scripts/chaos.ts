// npm run chaos -- [--seed N] [--minutes M] [--nodes 3|4|5] [--ttl-seconds S] [--timeline FILE] [--replay FILE]
import { ensureHostPackages } from '../test/lab/host-packages.ts';
import { buildExecutable } from './lib/build-executable.ts';
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
await ensureHostPackages();
if (process.env['MUSTER_LAB_EXECUTABLE'] === undefined) await buildExecutable();
const { code } = await runCommand([pinnedNode, 'test/chaos/run.ts', ...process.argv.slice(2)]);
process.exitCode = code;
