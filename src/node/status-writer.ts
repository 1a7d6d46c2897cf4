import { statusCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import type { InstanceStatus, Phase } from '../domain/status.ts';
import type { Compare, Kv, Write } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';

/** Most statuses in one transaction: each costs a compare and a put. */
const BATCH_LIMIT = 100;
/** Between two transactions: what comes meanwhile goes together, for each costs the store, the leader and every watcher. */
const GATHER_MS = 50;
/** A passing phase is written only if it lasts this long. */
const SETTLE_MS = 100;
/** An instance that has written this often within {@link CALM_MS} is held to one write a second. */
const BURST_WRITES = 6;
const CALM_MS = 5_000;
const FLAP_INTERVAL_MS = 1_000;

/** One whose order isn't the one that it answers is tried again so often. */
const LOST_RETRY = { firstMs: 100, maxMs: 10_000, jitter: 0.5 } as const;
/** By then the mirror should have shown its order. */
const REPORTED_LOSSES = 7;

/** What the store has of a status whose write was not answered: no text that is wanted equals it. */
const UNKNOWN = '';

/**
 * After a write without an answer the store is read again so much later: what was on its way to a member that was cut off may be
 * applied when that one is back, after what was written since.
 */
const READ_AGAIN_MS = [15_000, 120_000] as const;

export interface StatusWriterOptions {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** The proof that presence is this process's; undefined while it isn't: then nothing is written. */
  readonly guard: () => Compare | undefined;
  /** The statuses as the store has them; undefined when the signal has aborted. */
  readonly list: (signal: AbortSignal) => Promise<ReadonlyMap<InstanceKey, StoredStatus> | undefined>;
}

/** A status as the store has it; without `status` where it can't be read. */
export interface StoredStatus {
  readonly text: string;
  readonly status: InstanceStatus | undefined;
}

interface Slot {
  wanted: InstanceStatus | undefined;
  wantedText: string | undefined;
  storedText: string | undefined;
  /** What an earlier process of this node had stored. */
  inherited: InstanceStatus | undefined;
  dueAtMs: number;
  /** How often in a row its transaction was lost. */
  losses: number;
  recentWritesMs: number[];
}

/** The one writer of this node's statuses: one transaction in flight, latest wins. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #slots = new Map<InstanceKey, Slot>();
  #wake = new AbortController();
  /** False between a reset and the next pass: until then absence from what is wanted means nothing. */
  #isPrimed = false;
  /** When what is stored is to be read again. */
  #readAgainAtMs: number[] = [];

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** What is wanted to be stored of each instance; keys that are missing are to be deleted. Texts equal to the stored cost nothing. */
  want(statuses: ReadonlyMap<InstanceKey, InstanceStatus>): void {
    const nowMs = this.#options.clock.monotonicMs();
    let isAnyDue = !this.#isPrimed;
    this.#isPrimed = true;
    for (const [key, status] of statuses) {
      const slot = this.#slot(key);
      const text = statusCodec.encode(status);
      if (text === slot.wantedText) continue;
      slot.wanted = status;
      slot.wantedText = text;
      slot.dueAtMs = this.#dueAtMs(slot, status, nowMs);
      slot.losses = 0;
      isAnyDue = true;
    }
    for (const [key, slot] of this.#slots) {
      if (statuses.has(key) || slot.wantedText === undefined) continue;
      slot.wanted = undefined;
      slot.wantedText = undefined;
      slot.dueAtMs = nowMs;
      isAnyDue = true;
    }
    if (isAnyDue) this.#wake.abort();
  }

  /** The status last wanted; before the first, what an earlier process of this node had stored. */
  last(key: InstanceKey): InstanceStatus | undefined {
    const slot = this.#slots.get(key);
    return slot?.wanted ?? slot?.inherited;
  }

  /** How many instances are in each phase, by what is wanted to be stored. */
  get phases(): ReadonlyMap<Phase, number> {
    const phases = new Map<Phase, number>();
    for (const { wanted } of this.#slots.values()) {
      if (wanted !== undefined) phases.set(wanted.phase, (phases.get(wanted.phase) ?? 0) + 1);
    }
    return phases;
  }

  /** What the store holds, as listed after each registration; what was written before may be gone. */
  reset(stored: ReadonlyMap<InstanceKey, StoredStatus>): void {
    this.#isPrimed = false;
    for (const slot of this.#slots.values()) slot.storedText = undefined;
    for (const [key, { text, status }] of stored) {
      const slot = this.#slot(key);
      slot.storedText = text;
      slot.inherited = status;
    }
  }

  /** True when the store holds what is wanted of every instance. */
  get isSettled(): boolean {
    if (!this.#isPrimed) return false;
    for (const slot of this.#slots.values()) if (slot.wantedText !== slot.storedText) return false;
    return true;
  }

  /** Writes until the signal aborts. A store that is away is tried again; a lost guard waits for the next registration. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    const onAbort = () => this.#wake.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    for (let failures = 0; !signal.aborted; ) {
      this.#wake = new AbortController();
      try {
        const waitMs = await this.#writeDue(signal);
        failures = 0;
        if (waitMs > 0) await clock.sleep(waitMs, this.#wake.signal);
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        this.#readAgainAtMs = READ_AGAIN_MS.map((ms) => clock.monotonicMs() + ms);
        if (failures === 1 || failures % 30 === 0) log.warn({ failures, err: error }, 'statuses not written');
        await clock.sleep(backoffMs(failures, { firstMs: 100, maxMs: 2_000, jitter: 0.5, random }), signal);
      }
    }
    signal.removeEventListener('abort', onAbort);
  }

  /** One transaction of what is due; returns how long to wait before looking again. */
  async #writeDue(signal: AbortSignal): Promise<number> {
    const { kv, clock, guard } = this.#options;
    const proof = guard();
    if (proof === undefined || !this.#isPrimed) return 60_000;
    const nowMs = clock.monotonicMs();
    if ((this.#readAgainAtMs[0] ?? Infinity) <= nowMs) await this.#readAgain(signal);
    const open = [...this.#slots].filter(([, slot]) => slot.wantedText !== slot.storedText);
    const due = pickBatch(open.filter(([, slot]) => slot.dueAtMs <= nowMs));
    if (due.length === 0) {
      const times = [...this.#readAgainAtMs, ...open.map(([, slot]) => slot.dueAtMs)];
      return Math.min(60_000, ...times.map((atMs) => Math.max(1, atMs - nowMs)));
    }
    const compares: Compare[] = [proof];
    const writes: Write[] = [];
    for (const [key, slot] of due) this.#addWrite(key, slot, compares, writes);
    const sent = due.map(([key, slot]) => ({ key, slot, text: slot.wantedText }));
    const stored = sent.map(({ slot }) => slot.storedText);
    for (const { slot } of sent) slot.storedText = UNKNOWN; // until the answer is there: without one it may have been applied
    const { applied } = await kv.commit({ compares, writes }, signal);
    if (!applied) {
      for (const [at, { slot }] of sent.entries()) if (slot.storedText === UNKNOWN) slot.storedText = stored[at];
      for (const { key, slot } of sent) this.#noteLoss(key, slot, sent.length === 1, nowMs);
      return 1;
    }
    for (const { key, slot, text } of sent) {
      slot.storedText = text;
      slot.losses = 0;
      slot.recentWritesMs = [...slot.recentWritesMs.filter((atMs) => nowMs - atMs < CALM_MS), nowMs];
      if (slot.storedText === undefined && slot.wantedText === undefined) this.#slots.delete(key);
    }
    if (due.length < BATCH_LIMIT) await clock.sleep(GATHER_MS, signal);
    return 0;
  }

  /** What the store has instead of what was written last is written over. */
  async #readAgain(signal: AbortSignal): Promise<void> {
    const stored = await this.#options.list(signal);
    if (stored === undefined) return;
    this.#readAgainAtMs.shift();
    for (const [key, slot] of this.#slots) slot.storedText = stored.get(key)?.text;
  }

  /** An order has changed meanwhile, and the next pass will want another status; or presence has, and the next registration resets. */
  #noteLoss(key: InstanceKey, slot: Slot, wasAlone: boolean, nowMs: number): void {
    const { log, random } = this.#options;
    slot.losses += 1;
    if (!wasAlone) return;
    slot.dueAtMs = nowMs + backoffMs(slot.losses, { ...LOST_RETRY, random });
    if (slot.losses === REPORTED_LOSSES)
      log.warn({ instance: key, answers: slot.wanted?.assignmentRevision }, 'status not stored: its order is another');
  }

  #addWrite(key: InstanceKey, slot: Slot, compares: Compare[], writes: Write[]): void {
    const { layout, node } = this.#options;
    const path = layout.status(node, key);
    if (slot.wanted === undefined || slot.wantedText === undefined) {
      writes.push({ delete: path });
      return;
    }
    compares.push({ key: layout.assignment(node, key), modRevision: slot.wanted.assignmentRevision });
    writes.push({ put: path, value: slot.wantedText });
  }

  #slot(key: InstanceKey): Slot {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = {
        wanted: undefined,
        wantedText: undefined,
        storedText: undefined,
        inherited: undefined,
        dueAtMs: 0,
        losses: 0,
        recentWritesMs: [],
      };
      this.#slots.set(key, slot);
    }
    return slot;
  }

  #dueAtMs(slot: Slot, status: InstanceStatus, nowMs: number): number {
    const recent = slot.recentWritesMs.filter((atMs) => nowMs - atMs < CALM_MS);
    const last = recent.at(-1);
    if (recent.length >= BURST_WRITES && last !== undefined) return last + FLAP_INTERVAL_MS;
    const isPassing =
      status.phase === 'starting' ||
      status.phase === 'stopping' ||
      status.phase === 'pulling' ||
      status.phase === 'pending';
    return isPassing ? nowMs + SETTLE_MS : nowMs;
  }
}

/** As many as fit. Those of a batch that was lost go one by one, after all others: one of them must not keep them all from being stored. */
function pickBatch<S extends readonly [InstanceKey, Slot]>(due: readonly S[]): readonly S[] {
  const sound = due.filter(([, slot]) => slot.losses === 0);
  return sound.length > 0 ? sound.slice(0, BATCH_LIMIT) : due.slice(0, 1);
}
