// npm run sim -- --seed N [--seeds COUNT] [--steps M]: storms of seeded faults; one alone tells its timeline.
// npm run sim -- --crash-points [--every N]: one agent ends before and after each of its writes. --point node1:12:before: there alone.
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { type CrashPoint, parseCrashPoint } from './crash-plan.ts';
import { listCrashPoints } from './crash-story.ts';
import { jobText, runJob, type SimJob, type SimOutcome } from './job.ts';
import { runJobs } from './run-jobs.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '40' },
    'crash-points': { type: 'boolean', default: false },
    every: { type: 'string', default: '1' },
    point: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

function* storms(): Generator<SimJob> {
  const [first, steps] = [Number(values.seed), Number(values.steps)];
  for (let seed = first; seed < first + Number(values.seeds); seed += 1) yield { seed, steps };
}

async function listJobs(): Promise<readonly SimJob[]> {
  if (values.point !== undefined) return [{ point: parseCrashPoint(values.point) }];
  if (!values['crash-points']) return [...storms()];
  const { points } = await listCrashPoints();
  return points.filter((_point, at) => at % Number(values.every) === 0).map((point: CrashPoint) => ({ point }));
}

const failures: string[] = [];
const faults: Record<string, number> = {};
const overlapsMs: number[] = [];
let slowestMs = 0;
let restored = 0;
let unknowing = 0;

function take({
  job,
  failure,
  convergedMs,
  thawOverlapsMs,
  restoreOverlaps,
  unknowingActs,
  ...outcome
}: SimOutcome): void {
  slowestMs = Math.max(slowestMs, convergedMs);
  overlapsMs.push(...thawOverlapsMs);
  restored += restoreOverlaps.length;
  unknowing += unknowingActs.length;
  for (const [name, count] of Object.entries(outcome.faults)) faults[name] = (faults[name] ?? 0) + count;
  if (failure === undefined) return;
  failures.push(jobText(job));
  process.stdout.write(`FAILED ${jobText(job)}: ${failure}\n`);
}

setPriority(10);
const beganMs = performance.now();
const jobs = await listJobs();
const [only] = jobs;
if (jobs.length === 1 && only !== undefined) {
  const outcome = await runJob(only);
  if (!values.quiet) process.stdout.write(`${outcome.timeline.join('\n')}\n`);
  take(outcome);
} else await runJobs(jobs, take);
const seconds = Math.round((performance.now() - beganMs) / 1_000);
const thawOverlaps = { count: overlapsMs.length, longestMs: Math.max(0, ...overlapsMs) };
const figures = values['crash-points']
  ? { points: jobs.length }
  : { storms: jobs.length, slowestMs, faults, thawOverlaps, restoreOverlaps: restored, unknowingActs: unknowing };
process.stdout.write(
  `${JSON.stringify({ ...figures, failures: failures.length, failed: failures.slice(0, 50), seconds })}\n`,
);
if (failures.length > 0) process.exitCode = 1;
