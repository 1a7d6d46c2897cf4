// npm run soak [-- --cycles N] [--reconnects N]: one agent through a day's work; what it holds must stay.
import { installPackages } from './lib/apt.mjs';
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
await installPackages(['etcd-server']);
const { code } = await runCommand([pinnedNode, 'test/soak/run.ts', ...process.argv.slice(2)]);
process.exitCode = code;
