import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { FaultKind, PlannedFault } from './fault-plan.ts';

/** What a storm was begun with; the same settings and faults make the same storm, as far as machines are the same. */
export interface StormSettings {
  readonly seed: number;
  readonly minutes: number;
  readonly nodes: number;
  readonly ttlMs: number;
}

/** A line of a timeline. `plan`: what is to be done; all others: what was. */
export type TimelineEntry =
  | ({ readonly type: 'storm' } & StormSettings)
  | ({ readonly type: 'plan' } & PlannedFault)
  | {
      readonly type: 'begun' | 'over' | 'skipped';
      readonly round: number;
      readonly atMs: number;
      readonly kind: FaultKind;
      readonly node: string;
      readonly text?: string;
    }
  | { readonly type: 'healed' | 'converged' | 'judged' | 'failed'; readonly round: number; readonly text: string };

/** A storm's own record: a JSON-lines file that another run can repeat. */
export class Timeline {
  readonly file: string;

  constructor(file: string, settings: StormSettings) {
    this.file = file;
    writeFileSync(file, '');
    this.add({ type: 'storm', ...settings });
  }

  add(entry: TimelineEntry): void {
    appendFileSync(this.file, `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`);
  }
}

/** What a timeline has planned, and with which settings. */
export function readTimeline(file: string): { settings: StormSettings; faults: PlannedFault[] } {
  const lines = readFileSync(file, 'utf8').split('\n');
  const entries = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as TimelineEntry);
  const settings = entries.find((entry) => entry.type === 'storm');
  if (settings === undefined) throw new Error(`Cannot replay "${file}": expected a line with the storm's settings`);
  return { settings, faults: entries.filter((entry) => entry.type === 'plan') };
}
