import { type CrashPoint, pointText } from './crash-plan.ts';
import { runStory } from './crash-story.ts';
import { runStorm } from './storm.ts';

/** One thing to simulate. */
export type SimJob = { readonly seed: number; readonly steps: number } | { readonly point: CrashPoint };

/** What came of it. */
export interface SimOutcome {
  readonly job: SimJob;
  /** Undefined when every promise was kept. */
  readonly failure: string | undefined;
  readonly convergedMs: number;
  /** Each fault and how often it was done. */
  readonly faults: Readonly<Record<string, number>>;
  readonly thawOverlapsMs: readonly number[];
  readonly restoreOverlaps: readonly string[];
  readonly unknowingActs: readonly string[];
  readonly timeline: readonly string[];
}

/** Simulates it; never rejects. */
export async function runJob(job: SimJob): Promise<SimOutcome> {
  if ('point' in job) {
    const { world, error } = await runStory(job.point);
    const { thawOverlapsMs, restoreOverlaps, unknowingActs } = world.witness;
    const seen = {
      timeline: world.timeline,
      convergedMs: 0,
      faults: {},
      thawOverlapsMs,
      restoreOverlaps,
      unknowingActs,
    };
    return { job, failure: describe(error), ...seen };
  }
  const { error, ...result } = await runStorm(job);
  return { job, failure: describe(error), ...result };
}

function describe(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  return error instanceof Error ? error.message : String(error);
}

/** The arguments that have it again. */
export function jobText(job: SimJob): string {
  return 'point' in job ? `--point ${pointText(job.point)}` : `--seed ${job.seed} --steps ${job.steps}`;
}
