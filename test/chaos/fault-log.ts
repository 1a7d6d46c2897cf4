import type { Fault } from '../lab/checker/judge.ts';
import { nowMs } from '../lab/checker/run-log.ts';

/** One that isn't over yet ends whenever it's asked. */
type Begun = Omit<Fault, 'toMs'> & { toMs: number | undefined };

/** What was done, when, on the clock of the interval logs. */
export class FaultLog {
  readonly #faults: Begun[] = [];

  /** Notes a fault just before it's done; what is returned notes that it's over. */
  begin(kind: string, more: Partial<Fault> = {}): () => void {
    const fault: Begun = { ...more, kind, fromMs: nowMs(), toMs: undefined };
    this.#faults.push(fault);
    return () => {
      fault.toMs ??= nowMs();
    };
  }

  get faults(): Fault[] {
    const atMs = nowMs();
    return this.#faults.map((fault) => ({ ...fault, toMs: fault.toMs ?? atMs }));
  }

  /** How many there were of each kind. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.#faults) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }
}
