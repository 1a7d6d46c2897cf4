/**
 * Where in a write the agent ends. `before`: it was never sent. `unheard`: it was applied, and the agent ended before it could know.
 * `after`: it heard the answer and did what directly follows. `lost`: the agent lives on, and the answer never comes.
 */
export type CrashSide = 'before' | 'unheard' | 'after' | 'lost';

export const crashSides: readonly CrashSide[] = ['before', 'unheard', 'after', 'lost'];

/** One point of one agent's life: its write number `at`, counted from 1 over all its processes. */
export interface CrashPoint {
  readonly machine: string;
  readonly at: number;
  readonly side: CrashSide;
}

/** Counts the writes of one machine's agents, and says which of them is the one to end at. */
export class CrashPlan {
  /** What each write was, in order. */
  readonly writes: string[] = [];
  #point: CrashPoint | undefined;

  arm(point: CrashPoint): void {
    this.#point = point;
  }

  /** True once the point has been reached. */
  get isReached(): boolean {
    return this.#point !== undefined && this.writes.length >= this.#point.at;
  }

  /** Counts a write that is about to be sent; what is to become of it, where that is the point. */
  next(what: string): CrashSide | undefined {
    this.writes.push(what);
    return this.#point?.at === this.writes.length ? this.#point.side : undefined;
  }
}

/** As people and commands name a point: `node1:12:before`. */
export function pointText({ machine, at, side }: CrashPoint): string {
  return `${machine}:${at}:${side}`;
}

export function parseCrashPoint(text: string): CrashPoint {
  const [machine = '', at, side] = text.split(':');
  const found = crashSides.find((each) => each === side);
  if (found === undefined) throw new Error(`Cannot crash at "${text}": expected a point as "node1:12:before"`);
  return { machine, at: Number(at), side: found };
}
