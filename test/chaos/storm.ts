import type { Verdict } from '../lab/checker/judge.ts';
import { describeTrouble } from '../lab/scenario/diagnose.ts';
import { prepareClocks } from './agent-clock.ts';
import { awaitConverged, type Expected } from './convergence.ts';
import { type PlannedFault, planRound } from './fault-plan.ts';
import { doFault, type FaultContext } from './faults.ts';
import { Field } from './field.ts';
import { heal } from './heal.ts';
import { type MixedWorkload, mixedWork } from './mixed-work.ts';
import { type StormSettings, Timeline } from './timeline.ts';

/** How to storm. */
export interface StormOptions extends StormSettings {
  /** Where the timeline goes. */
  readonly timeline: string;
  /** What another storm had planned, instead of what the seed gives. */
  readonly replay?: readonly PlannedFault[];
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What a storm showed. */
export interface StormSummary extends StormSettings {
  readonly rounds: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  readonly longestConvergeMs: number;
  readonly longestThawOverlapMs: number;
  readonly runs: number;
  readonly acceptedWrites: number;
  readonly refusedWrites: number;
  readonly keepEnds: Verdict['keepEnds'];
  readonly interrupted: boolean;
}

const roundMs = 75_000;
/** A round with healing and converging. */
const wholeRoundMs = 90_000;
const convergeLimitMs = 60_000;
const applyLimitMs = 180_000;

/** Storms on a lab of its own, of which nothing is left in the end. */
export async function runStorm(options: StormOptions): Promise<StormSummary> {
  const { nodes, ttlMs, say, signal } = options;
  await using field = await Field.open({ nodes, ttlMs, name: 'chaos', progress: say });
  signal.throwIfAborted();
  await prepareClocks(field.lab);
  await field.begin();
  return await new Storm(field, options).run();
}

class Storm {
  readonly #field: Field;
  readonly #options: StormOptions;
  readonly #timeline: Timeline;
  readonly #work: readonly MixedWorkload[];
  readonly #editions = new Map<string, number>();
  readonly #violations: string[] = [];
  #longestConvergeMs = 0;

  constructor(field: Field, options: StormOptions) {
    const { seed, minutes, nodes, ttlMs, timeline } = options;
    this.#field = field;
    this.#options = options;
    this.#timeline = new Timeline(timeline, { seed, minutes, nodes, ttlMs });
    this.#work = mixedWork(nodes);
  }

  /** Rounds of faults until the time is over, something is wrong, or somebody wants it to end. */
  async run(): Promise<StormSummary> {
    const { signal, say } = this.#options;
    await this.#applyAll();
    const beganMs = performance.now();
    const elapsedMs = (): number => performance.now() - beganMs;
    const ticker = setInterval(() => say(this.#progress(elapsedMs())), 60_000);
    let round = 0;
    try {
      while (!signal.aborted && this.#violations.length === 0 && round < this.#rounds) {
        await this.#round(round);
        if (!signal.aborted) round += 1;
      }
    } finally {
      clearInterval(ticker);
    }
    return this.#summarize(round);
  }

  /** By the settings alone, so that the same seed is the same storm on any machine. */
  get #rounds(): number {
    const { replay, minutes } = this.#options;
    if (replay !== undefined) return 1 + Math.max(...replay.map(({ round }) => round));
    return Math.max(1, Math.round((minutes * 60_000) / wholeRoundMs));
  }

  async #applyAll(): Promise<void> {
    const { say } = this.#options;
    const { cluster } = this.#field;
    await Promise.all(this.#work.map(async ({ name, text }) => cluster.apply(name, text(0), ['--no-wait'])));
    const tookMs = await awaitConverged(this.#field, this.#expected, applyLimitMs);
    say(`${this.#total} instances run, ${(tookMs / 1000).toFixed(1)} s after they were applied`);
  }

  get #expected(): Expected {
    return new Map(this.#work.map(({ name, copies }) => [name, copies(this.#options.nodes)]));
  }

  get #total(): number {
    return [...this.#expected.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Faults, then peace: everything must be as desired in time, and no promise broken. */
  async #round(round: number): Promise<void> {
    const { seed, nodes, replay, say, signal } = this.#options;
    const faults =
      replay?.filter((fault) => fault.round === round) ?? planRound({ seed, round, nodes, lengthMs: roundMs });
    for (const fault of faults) this.#timeline.add({ type: 'plan', ...fault });
    await this.#storm(faults);
    if (signal.aborted) return;
    try {
      await heal(this.#field);
      this.#timeline.add({ type: 'healed', round, text: '' });
      const tookMs = await awaitConverged(this.#field, this.#expected, convergeLimitMs);
      this.#longestConvergeMs = Math.max(this.#longestConvergeMs, tookMs);
      this.#timeline.add({ type: 'converged', round, text: `${Math.round(tookMs)} ms` });
      say(
        `round ${round}: ${faults.length} faults; all as desired ${(tookMs / 1000).toFixed(1)} s after the last was healed`,
      );
    } catch (error) {
      await this.#fail(round, error instanceof Error ? error.message : String(error));
    }
    const { violations } = await this.#field.judge();
    for (const each of violations) await this.#fail(round, each);
    this.#timeline.add({ type: 'judged', round, text: `${violations.length} violations` });
  }

  async #storm(faults: readonly PlannedFault[]): Promise<void> {
    const { signal } = this.#options;
    const context: FaultContext = {
      field: this.#field,
      work: this.#work,
      editions: this.#editions,
      wait: async (ms) => pause(ms, signal),
      broken: async (what) => this.#fail(faults[0]?.round ?? 0, what),
    };
    const beganMs = performance.now();
    await Promise.all(
      faults.map(async (fault) => {
        await pause(fault.atMs - (performance.now() - beganMs), signal);
        if (!signal.aborted) await this.#one(context, fault, performance.now() - beganMs);
      }),
    );
  }

  async #one(context: FaultContext, fault: PlannedFault, atMs: number): Promise<void> {
    const { kind, round } = fault;
    const node = this.#field.nodes[fault.node]?.name ?? '';
    const entry = { round, kind, node };
    const lasts = fault.forMs === 0 ? '' : ` for ${(fault.forMs / 1000).toFixed(1)} s`;
    this.#timeline.add({ type: 'begun', atMs: Math.round(atMs), ...entry });
    this.#options.say(`  ${(atMs / 1000).toFixed(1).padStart(5)} s  ${kind} ${node}${lasts}`);
    const beganMs = performance.now();
    try {
      await doFault(context, fault);
      this.#timeline.add({ type: 'over', atMs: Math.round(atMs + performance.now() - beganMs), ...entry });
    } catch (error) {
      const text = error instanceof Error ? error.message.slice(0, 500) : String(error);
      this.#timeline.add({ type: 'skipped', atMs: Math.round(atMs), ...entry, text });
    }
  }

  async #fail(round: number, text: string): Promise<void> {
    const { say } = this.#options;
    if (this.#violations.length === 0) {
      const folder = this.#timeline.file.replace(/(\.jsonl)?$/, '-evidence');
      await this.#field.saveEvidence(folder);
      say(`${await describeTrouble(this.#field.cluster)}\nwhat the work noted, and what the store held: ${folder}`);
    }
    this.#violations.push(text);
    this.#timeline.add({ type: 'failed', round, text });
    say(`VIOLATION in round ${round}: ${text}`);
  }

  #progress(elapsedMs: number): string {
    const { seed, minutes } = this.#options;
    const count = Object.values(this.#field.faults.counts).reduce((sum, each) => sum + each, 0);
    const told = `${(elapsedMs / 60_000).toFixed(1)} of ${minutes} minutes, seed ${seed}`;
    return `# ${told}: ${count} faults, ${this.#violations.length} violations, longest to converge ${(this.#longestConvergeMs / 1000).toFixed(1)} s`;
  }

  async #summarize(rounds: number): Promise<StormSummary> {
    const { seed, minutes, nodes, ttlMs, signal } = this.#options;
    const { longestThawOverlapMs, runs, acceptedWrites, refusedWrites, keepEnds } = await this.#field.judge();
    return {
      ...{ seed, minutes, nodes, ttlMs, rounds },
      faults: this.#field.faults.counts,
      violations: this.#violations,
      longestConvergeMs: Math.round(this.#longestConvergeMs),
      longestThawOverlapMs: Math.round(longestThawOverlapMs),
      ...{ runs, acceptedWrites, refusedWrites, keepEnds },
      interrupted: signal.aborted,
    };
  }
}

/** Resolves after so long, or as soon as the signal aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
