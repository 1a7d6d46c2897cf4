// One seeded storm, or several: node test/sim/run.ts --seed N [--seeds COUNT] [--steps M] [--quiet]
import { parseArgs } from 'node:util';
import { runStorm } from './storm.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '40' },
    quiet: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const steps = Number(values.steps);
process.on('unhandledRejection', (error) => {
  process.stdout.write(`unhandled rejection: ${String(error)}\n`);
  process.exitCode = 1;
});
let failures = 0;
let slowestMs = 0;
for (let seed = first; seed < first + count; seed += 1) {
  const { timeline, error, convergedMs } = await runStorm({ seed, steps });
  slowestMs = Math.max(slowestMs, convergedMs);
  if (!values.quiet && count === 1) process.stdout.write(`${timeline.join('\n')}\n`);
  if (error === undefined) continue;
  failures += 1;
  process.stdout.write(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n`);
}
process.stdout.write(
  `${count - failures} of ${count} storms were survived; the slowest took ${slowestMs} ms to come right\n`,
);
if (failures > 0) process.exitCode = 1;
