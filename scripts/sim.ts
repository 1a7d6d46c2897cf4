// npm run sim [-- --seed N] [--seeds COUNT] [--steps M] [--crash-points]: storms of seeded faults over simulated clusters.
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
const { code } = await runCommand([pinnedNode, 'test/sim/run.ts', ...process.argv.slice(2)]);
process.exitCode = code;
