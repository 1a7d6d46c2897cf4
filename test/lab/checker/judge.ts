import { beatMs, beganMs, lastBeatMs, type Run, type Stretch } from './run-log.ts';

/** Something that was done to a machine or to a process on it, from when until when. */
export interface Fault extends Stretch {
  readonly kind: string;
  /** The node's ID; absent: it hit no single machine. */
  readonly node?: string;
  /** All of the machine stood still: nothing on it could stop anything. */
  readonly freezesMachine?: boolean;
  /** What ran on the machine may have ended by it. */
  readonly endsRuns?: 'units' | 'containers' | 'all';
}

/** Why something was done to an instance, as the cluster itself has recorded it. */
export interface Reason {
  readonly instance: string;
  readonly node: string;
  /** When it was seen in the store. */
  readonly atMs: number;
  /** `order`: the leader's, before it was done. `report`: the node's, afterwards, as soon as the store answers. */
  readonly kind: 'order' | 'report';
  readonly text: string;
}

/** A write that came to the store that checks tokens, in the order in which they came. */
export interface StoreWrite {
  readonly atMs: number;
  readonly instance: string;
  readonly run: string;
  readonly token: string;
  readonly accepted: boolean;
}

/** All that is known of what happened. */
export interface Evidence {
  readonly runs: readonly Run[];
  readonly faults: readonly Fault[];
  readonly reasons: readonly Reason[];
  readonly writes: readonly StoreWrite[];
  /** When the logs were read: who beat just before then was still running. */
  readonly atMs: number;
  /** How long two copies of a `stop` instance may run from a machine's thaw on. */
  readonly thawBoundMs: number;
}

/** Two copies at once. */
export interface Overlap extends Stretch {
  readonly instance: string;
  /** The one that began first, and the other. */
  readonly runs: readonly [string, string];
  /** It began when a machine was thawed. */
  readonly atThaw: boolean;
}

export interface Verdict {
  /** In words; empty: every promise was kept. */
  readonly violations: readonly string[];
  readonly overlaps: readonly Overlap[];
  /** The longest from a thaw on; 0: none. */
  readonly longestThawOverlapMs: number;
  /** The longest of the others; 0: none. */
  readonly longestOverlapMs: number;
  readonly refusedWrites: number;
  readonly acceptedWrites: number;
  readonly runs: number;
  /** Runs of `keep` instances that ended, by what explains it. */
  readonly keepEnds: { readonly fault: number; readonly reason: number; readonly unexplained: number };
}

/** After its last beat so long ago, on a machine that isn't frozen, a run has ended. */
const silenceMs = 2_000;
/** How far apart a fault and its effect may be noted. */
const slackMs = 2_000;
/** An order is seen here about when its node sees it; a report may be written only once etcd answers again. */
const lagMs = { order: 10_000, report: 90_000 };

/** Holds what happened against the promises. */
export function judge(evidence: Evidence): Verdict {
  const overlaps = findOverlaps(evidence);
  const violations = [
    ...overlaps.flatMap((overlap) => judgeOverlap(overlap, evidence.thawBoundMs)),
    ...judgeTokens(evidence),
    ...judgeWrites(evidence),
  ];
  const keepEnds = { fault: 0, reason: 0, unexplained: 0 };
  const usedOrders = new Set<Reason>();
  const ended = evidence.runs.filter((run) => run.mode === 'keep' && hasEnded(run, evidence));
  for (const run of ended.toSorted((a, b) => lastBeatMs(a) - lastBeatMs(b))) {
    const why = explainEnd(run, evidence, usedOrders);
    keepEnds[why ?? 'unexplained'] += 1;
    if (why === undefined) violations.push(`${name(run)} ended at ${time(lastBeatMs(run))} for no recorded reason`);
  }
  const longest = (atThaw: boolean): number =>
    overlaps.reduce((max, each) => (each.atThaw === atThaw ? Math.max(max, each.toMs - each.fromMs) : max), 0);
  return {
    violations,
    overlaps,
    longestThawOverlapMs: longest(true),
    longestOverlapMs: longest(false),
    refusedWrites: evidence.writes.filter(({ accepted }) => !accepted).length,
    acceptedWrites: evidence.writes.filter(({ accepted }) => accepted).length,
    runs: evidence.runs.length,
    keepEnds,
  };
}

/** Each pair of runs of a `stop` instance that ran at once. */
function findOverlaps({ runs, faults }: Evidence): Overlap[] {
  const freezes = faults.filter(({ freezesMachine }) => freezesMachine === true);
  const byInstance = Map.groupBy(
    runs.filter(({ mode }) => mode === 'stop'),
    ({ instance }) => instance,
  );
  const overlaps: Overlap[] = [];
  for (const [instance, all] of byInstance) {
    const spans = all.map((run) => ({ run, stretches: joinStretches(run, freezes) }));
    for (const [at, one] of spans.entries()) {
      for (const other of spans.slice(at + 1)) {
        for (const shared of intersect(one.stretches, other.stretches)) {
          const atThaw = [one, other].some((each) => beginsAtThaw(each.run, shared, freezes));
          overlaps.push({ ...shared, instance, runs: [one.run.id, other.run.id], atThaw });
        }
      }
    }
  }
  return overlaps;
}

/** Its stretches, with each gap closed in which its machine wasn't frozen: a process that gets no time to run is there all the same. */
function joinStretches(run: Run, freezes: readonly Fault[]): Stretch[] {
  const joined: Stretch[] = [];
  for (const stretch of run.stretches) {
    const last = joined.at(-1);
    const gap = { fromMs: last?.toMs ?? 0, toMs: stretch.fromMs };
    const isFrozen = freezes.some((freeze) => freeze.node === run.node && touches(freeze, gap));
    if (last === undefined || isFrozen) joined.push(stretch);
    else joined[joined.length - 1] = { fromMs: last.fromMs, toMs: stretch.toMs };
  }
  return joined;
}

function intersect(some: readonly Stretch[], others: readonly Stretch[]): Stretch[] {
  return some.flatMap((one) =>
    others.flatMap((other) => {
      const fromMs = Math.max(one.fromMs, other.fromMs);
      const toMs = Math.min(one.toMs, other.toMs);
      return fromMs < toMs ? [{ fromMs, toMs }] : [];
    }),
  );
}

/** What they share begins where this run goes on after a freeze of its machine, or starts just then. */
function beginsAtThaw(run: Run, shared: Stretch, freezes: readonly Fault[]): boolean {
  return freezes.some((freeze) => freeze.node === run.node && Math.abs(shared.fromMs - freeze.toMs) < slackMs);
}

function judgeOverlap({ instance, runs, fromMs, toMs, atThaw }: Overlap, thawBoundMs: number): string[] {
  const lengthMs = toMs - fromMs;
  if (atThaw && lengthMs <= thawBoundMs + beatMs) return [];
  const bound = atThaw ? `, from a thaw on, where ${thawBoundMs} ms are the bound` : '';
  return [`${instance} ran twice for ${lengthMs.toFixed(0)} ms at ${time(fromMs)}${bound}: ${runs.join(' and ')}`];
}

/** Of a `stop` instance each run has a token that is greater than that of every run that began before it. */
function judgeTokens({ runs }: Evidence): string[] {
  const highest = new Map<string, Run>();
  const wrong: string[] = [];
  for (const run of runs.toSorted((a, b) => beganMs(a) - beganMs(b))) {
    if (run.mode !== 'stop' || run.token === '') continue;
    const before = highest.get(run.instance);
    if (before !== undefined && BigInt(run.token) <= BigInt(before.token))
      wrong.push(`${name(run)} began later than ${before.id}, but its token ${run.token} isn't above ${before.token}`);
    else highest.set(run.instance, run);
  }
  return wrong;
}

/** The store never took a write with an older token than one that it had taken, nor refused the newest. */
function judgeWrites({ writes }: Evidence): string[] {
  const highest = new Map<string, bigint>();
  const wrong: string[] = [];
  for (const { instance, token, accepted, run, atMs } of writes) {
    const before = highest.get(instance) ?? -1n;
    const value = BigInt(token);
    if (accepted && value < before) wrong.push(`the store took ${token} of ${run} at ${time(atMs)} after ${before}`);
    if (!accepted && value >= before) wrong.push(`the store refused ${token} of ${run} at ${time(atMs)}`);
    if (accepted && value > before) highest.set(instance, value);
  }
  return wrong;
}

function hasEnded(run: Run, { faults, atMs }: Evidence): boolean {
  if (run.ended) return true;
  const isFrozen = faults.some(({ freezesMachine, node, fromMs, toMs }) => {
    return (
      freezesMachine === true && node === run.node && fromMs - slackMs < lastBeatMs(run) && toMs > atMs - silenceMs
    );
  });
  return !isFrozen && atMs - lastBeatMs(run) > silenceMs;
}

/** @param usedOrders those that explain the end of another run: each order ends one */
function explainEnd(run: Run, { faults, reasons }: Evidence, usedOrders: Set<Reason>): 'fault' | 'reason' | undefined {
  const endedMs = lastBeatMs(run);
  const around = { fromMs: endedMs - slackMs, toMs: endedMs + slackMs };
  if (faults.some((fault) => fault.node === run.node && mayEnd(fault, run) && touches(fault, around))) return 'fault';
  const own = reasons.filter(({ instance, node }) => instance === run.instance && node === run.node);
  // An order may come while the start of what it ends is still under way.
  const order = own.find((each) => {
    const isInTime = each.atMs > beganMs(run) - slackMs && each.atMs < endedMs + lagMs.order;
    return each.kind === 'order' && isInTime && !usedOrders.has(each);
  });
  if (order !== undefined) usedOrders.add(order);
  const isReported = own.some(({ kind, atMs }) => {
    return kind === 'report' && atMs > beganMs(run) && atMs < endedMs + lagMs.report;
  });
  return order !== undefined || isReported ? 'reason' : undefined;
}

function mayEnd({ endsRuns }: Fault, { instance }: Run): boolean {
  if (endsRuns === undefined || endsRuns === 'all') return endsRuns === 'all';
  return (endsRuns === 'units') === instance.includes('.service');
}

function touches(one: Stretch, other: Stretch): boolean {
  return one.fromMs <= other.toMs && one.toMs >= other.fromMs;
}

function name({ instance, id }: Run): string {
  return `${instance} (${id})`;
}

/** Seconds of the host's monotonic clock. */
function time(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
