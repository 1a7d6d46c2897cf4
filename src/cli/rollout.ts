import type { WatchedWorkload } from '../wire/client.ts';

/** What a command waits for: that a workload runs (at least this spec), is stopped, or is gone. */
export interface Goal {
  readonly name: string;
  readonly state: 'run' | 'stop' | 'gone';
  /** The spec that was accepted: a view that is older says nothing. */
  readonly spec?: number;
}

/** How waiting ended. `overtaken`: somebody else has ordered something else meanwhile. */
export type Outcome = 'converged' | 'stuck' | 'timeout' | 'overtaken';

/** How long to wait. */
export interface Patience {
  /** For everything. */
  readonly timeoutMs: number;
  /** For anything to get better once nothing is under way any more. */
  readonly giveUpMs: number;
}

interface Tracked {
  readonly goal: Goal;
  frame: WatchedWorkload | undefined;
  /** The order itself has been seen in the cluster. */
  ordered: boolean;
  best: number;
  stuckSinceMs: number | undefined;
}

/** Judges, from what a watch tells, whether goals are reached, still under way, or stuck. Knows no I/O. */
export class Rollout {
  readonly #tracked: ReadonlyMap<string, Tracked>;
  readonly #patience: Patience;
  readonly #beganMs: number;

  constructor(goals: readonly Goal[], patience: Patience, nowMs: number) {
    const track = (goal: Goal): Tracked => ({
      goal,
      frame: undefined,
      ordered: false,
      best: -Infinity,
      stuckSinceMs: undefined,
    });
    this.#tracked = new Map(goals.map((goal) => [goal.name, track(goal)]));
    this.#patience = patience;
    this.#beganMs = nowMs;
  }

  /** Takes in what a workload is like now. */
  see(frame: WatchedWorkload, nowMs: number): void {
    const tracked = this.#tracked.get(frame.workload);
    if (tracked === undefined) return;
    tracked.frame = frame;
    tracked.ordered ||= isOrdered(tracked.goal, frame);
    const progress = progressOf(tracked.goal, frame);
    if (progress > tracked.best || isReached(tracked)) tracked.stuckSinceMs = undefined;
    tracked.best = Math.max(tracked.best, progress);
    if (frame.summary.blocked && !isReached(tracked)) tracked.stuckSinceMs ??= nowMs;
  }

  /** How it ended; undefined while it hasn't. */
  outcome(nowMs: number): Outcome | undefined {
    const open = [...this.#tracked.values()].filter((tracked) => !isReached(tracked));
    if (open.length === 0) return 'converged';
    if (open.some(isOvertaken)) return 'overtaken';
    if (open.every((tracked) => tracked.frame?.summary.blocked === true && this.#givesUpMs(tracked) <= nowMs))
      return 'stuck';
    return nowMs >= this.#beganMs + this.#patience.timeoutMs ? 'timeout' : undefined;
  }

  /** When the outcome may change although nothing else does. */
  nextMs(nowMs: number): number {
    const times = [...this.#tracked.values()].map((tracked) => this.#givesUpMs(tracked)).filter((at) => at > nowMs);
    return Math.min(this.#beganMs + this.#patience.timeoutMs, ...times);
  }

  /** The last that was seen of each workload that is not as it should be. */
  get open(): readonly { readonly goal: Goal; readonly frame: WatchedWorkload | undefined }[] {
    return [...this.#tracked.values()].filter((tracked) => !isReached(tracked));
  }

  /** The last that was seen of each workload, in the order of the goals. */
  get all(): readonly { readonly goal: Goal; readonly frame: WatchedWorkload | undefined }[] {
    return [...this.#tracked.values()];
  }

  #givesUpMs({ stuckSinceMs }: Tracked): number {
    return stuckSinceMs === undefined ? Infinity : stuckSinceMs + this.#patience.giveUpMs;
  }
}

/** True once the frame shows what was ordered, whoever else may have changed it since. */
function isOrdered(goal: Goal, frame: WatchedWorkload): boolean {
  if (goal.state === 'gone') return frame.gone || frame.removing === true;
  if (frame.gone || frame.removing === true) return false;
  return frame.desired === goal.state && (frame.spec ?? 0) >= (goal.spec ?? 0);
}

function isReached({ goal, frame }: Tracked): boolean {
  if (frame === undefined) return false;
  if (goal.state === 'gone') return frame.gone;
  return isOrdered(goal, frame) && frame.summary.converged;
}

function isOvertaken({ goal, frame, ordered }: Tracked): boolean {
  return ordered && frame !== undefined && !isOrdered(goal, frame);
}

/** Grows as things get better. */
function progressOf(goal: Goal, frame: WatchedWorkload): number {
  if (goal.state === 'run') return frame.all.filter((row) => row.upToDate && row.healthy).length;
  return -frame.all.filter((row) => row.phase !== 'stopped').length;
}
