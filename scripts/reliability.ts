// npm run reliability -- [--quick] [--times N] [row…]: the table of docs/reliability.md.
import { ensureHostPackages } from '../test/lab/host-packages.ts';
import { buildExecutable } from './lib/build-executable.ts';
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
await ensureHostPackages();
if (process.env['MUSTER_LAB_EXECUTABLE'] === undefined) await buildExecutable();
const { code } = await runCommand([pinnedNode, 'test/chaos/reliability.ts', ...process.argv.slice(2)]);
process.exitCode = code;
