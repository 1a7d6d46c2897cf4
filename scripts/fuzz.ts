// npm run fuzz [-- --cases N] [--seed S] [parser…]: throws anything at every parser.
import { passSignalsOn, runCommand } from './lib/children.ts';
import { pinnedNode } from './lib/paths.ts';

passSignalsOn();
const { code } = await runCommand([pinnedNode, 'test/fuzz/run.ts', ...process.argv.slice(2)]);
process.exitCode = code;
