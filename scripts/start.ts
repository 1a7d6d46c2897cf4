// npm start: boots the lab, shows the cluster at work, and leaves it up until Ctrl-C (or ends by itself with --once).
import { ensureHostPackages } from '../test/lab/host-packages.ts';
import { buildExecutable } from './lib/build-executable.ts';
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
await ensureHostPackages();
await buildExecutable();
const { code } = await runCommand([pinnedNode, 'test/lab/demo.ts', ...process.argv.slice(2)]);
process.exitCode = code;
