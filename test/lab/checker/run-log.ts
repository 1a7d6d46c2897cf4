import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How often a run notes that it runs: what the log can resolve. */
export const beatMs = 50;

/** From one time to another; milliseconds of the host's monotonic clock, which all machines of a lab share. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** One run of one copy, as it noted itself. */
export interface Run {
  /** Unique: the file's name. */
  readonly id: string;
  /** As people write it: `web.0`. */
  readonly instance: string;
  readonly node: string;
  readonly mode: 'keep' | 'stop';
  readonly boot: string;
  readonly pid: number;
  /** Empty: it was given none. */
  readonly token: string;
  /** In which it noted beats without a gap, in order; at least one. */
  readonly stretches: readonly Stretch[];
  /** It ended by itself when it was told to; else it was killed, or runs. */
  readonly ended: boolean;
}

/** Now, on the clock of the logs. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** When a run began. */
export function beganMs(run: Run): number {
  return run.stretches[0]?.fromMs ?? 0;
}

/** Its last beat. */
export function lastBeatMs(run: Run): number {
  return run.stretches.at(-1)?.toMs ?? 0;
}

/** The runs that are under way at that time. */
export function aliveRuns(runs: readonly Run[], atMs: number, withinMs = 1_000): Run[] {
  return runs.filter((run) => !run.ended && atMs - lastBeatMs(run) < withinMs);
}

/** What a run's file says (see beat.pl); undefined while its first line isn't whole. */
export function parseRun(id: string, text: string): Run | undefined {
  const [head = '', ...lines] = text.split('\n');
  if (lines.length < 2) return undefined;
  const said = JSON.parse(head) as Omit<Run, 'id' | 'stretches' | 'ended'>;
  const stretches = lines
    .map((line) => /^(\d{20}) (\d{20}) [.E]$/.exec(line))
    .filter((match) => match !== null)
    .map(([, from, to]) => ({ fromMs: Number(from) / 1e6, toMs: Number(to) / 1e6 }));
  if (stretches.length === 0) return undefined;
  const { instance, node, mode, boot, pid, token } = said;
  return { id, instance, node, mode, boot, pid, token, stretches, ended: text.endsWith(' E\n') };
}

/** Nothing that a test does keeps a run from noting anything for so long, but its end. */
const settledAfterMs = 5 * 60_000;

/** What a lab's machines note. */
export class RunLog {
  readonly #folder: string;
  /** Runs that won't change any more. */
  readonly #settled = new Map<string, Run>();

  /** @param folder the lab's shared one */
  constructor(folder: string) {
    this.#folder = join(folder, 'runs');
  }

  /** All runs so far, by when they began. */
  async read(): Promise<Run[]> {
    const atMs = nowMs();
    const runs = [...this.#settled.values()];
    for (const file of await readdir(this.#folder)) {
      if (this.#settled.has(file)) continue;
      const run = parseRun(file, await readFile(join(this.#folder, file), 'utf8'));
      if (run === undefined) continue;
      runs.push(run);
      if (run.ended || atMs - lastBeatMs(run) > settledAfterMs) this.#settled.set(file, run);
    }
    return runs.sort((a, b) => beganMs(a) - beganMs(b));
  }
}

/** All runs that a lab's machines have noted, by when they began: for who asks once. */
export async function readRuns(folder: string): Promise<Run[]> {
  return new RunLog(folder).read();
}
