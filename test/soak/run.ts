// npm run soak [-- --cycles 10000] [--reconnects 1000]: one agent through a day's work, and what it holds at start, middle and end.
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { findGrowth, runSoak } from './soak.ts';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '10000' }, reconnects: { type: 'string', default: '1000' } },
});
setPriority(5);
const result = await runSoak({ cycles: Number(values.cycles), reconnects: Number(values.reconnects) });
const problems = findGrowth(result);
process.stdout.write(`${JSON.stringify({ ...result, problems })}\n`);
if (problems.length > 0) process.exitCode = 1;
