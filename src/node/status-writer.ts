import { statusCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import type { InstanceStatus, Phase } from '../domain/status.ts';
import { type Compare, type Kv, type Revision, TXN_LIMIT, type Write } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';

/** Most statuses in one transaction: each costs two compares and a put; one compare is the proof. */
const BATCH_LIMIT = Math.floor((TXN_LIMIT - 1) / 2);
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

/** In place of a text that is to be written over, also by itself: no text that is wanted equals it. */
const OVERDUE = '';
const ABSENT: Stored = { text: undefined, revision: 0 };

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
  /** The revision of its last change. */
  readonly revision: Revision;
  readonly status: InstanceStatus | undefined;
}

/** A key as the store has it. */
interface Stored {
  readonly text: string | undefined;
  readonly revision: Revision;
}

interface Slot {
  wanted: InstanceStatus | undefined;
  wantedText: string | undefined;
  /** Undefined while nobody knows: a write has not been answered. */
  stored: Stored | undefined;
  /** What an earlier process of this node had stored. */
  inherited: InstanceStatus | undefined;
  dueAtMs: number;
  /** How often in a row its transaction was lost. */
  losses: number;
  recentWritesMs: number[];
}

type Entry = readonly [InstanceKey, Slot];

/**
 * The one writer of this node's statuses: one transaction in flight, latest wins. A write that was not answered may be applied, now
 * or late, by a member that was cut off. So each compares the revision of what it replaces, and after one without an answer what the
 * store has is read, and written over even where it's what is wanted: the late one then finds another revision.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #slots = new Map<InstanceKey, Slot>();
  #wake = new AbortController();
  /** False between a reset and the next pass: until then absence from what is wanted means nothing. */
  #isPrimed = false;

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
    for (const [key, slot] of this.#slots) if (!stored.has(key)) slot.stored = ABSENT;
    for (const [key, { text, revision, status }] of stored) {
      const slot = this.#slot(key);
      slot.stored = { text: slot.stored === undefined ? OVERDUE : text, revision };
      slot.inherited = status;
    }
  }

  /** True when the store holds what is wanted of every instance. */
  get isSettled(): boolean {
    if (!this.#isPrimed) return false;
    for (const slot of this.#slots.values()) if (isOpen(slot)) return false;
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
        if (failures === 1 || failures % 30 === 0) log.warn({ failures, err: error }, 'statuses not written');
        await clock.sleep(backoffMs(failures, { firstMs: 100, maxMs: 2_000, jitter: 0.5, random }), signal);
      }
    }
    signal.removeEventListener('abort', onAbort);
  }

  /** One read of what isn't known, or one transaction of what is due; returns how long to wait before looking again. */
  async #writeDue(signal: AbortSignal): Promise<number> {
    const { clock, guard } = this.#options;
    const proof = guard();
    if (proof === undefined || !this.#isPrimed) return 60_000;
    const unknown = [...this.#slots].filter(([, { stored }]) => stored === undefined);
    if (unknown.length > 0) {
      await this.#read(unknown, signal);
      return 0;
    }
    const nowMs = clock.monotonicMs();
    const open = [...this.#slots].filter(([, slot]) => isOpen(slot));
    const due = pickBatch(open.filter(([, slot]) => slot.dueAtMs <= nowMs));
    if (due.length === 0) return Math.min(60_000, ...open.map(([, slot]) => Math.max(1, slot.dueAtMs - nowMs)));
    const isStored = await this.#write(due, proof, signal);
    if (!isStored) return 1;
    if (due.length < BATCH_LIMIT) await clock.sleep(GATHER_MS, signal);
    return 0;
  }

  /** Those whose write was not answered. One that is absent and not wanted is done with: a late put of it finds its order gone. */
  async #read(unknown: readonly Entry[], signal: AbortSignal): Promise<void> {
    const found = await this.#options.list(signal);
    if (found === undefined) return;
    for (const [key, slot] of unknown) {
      if (slot.stored !== undefined) continue; // a reset came in between
      const there = found.get(key);
      slot.stored = there === undefined ? ABSENT : { text: OVERDUE, revision: there.revision };
      if (there === undefined && slot.wantedText === undefined) this.#slots.delete(key);
    }
  }

  /** One transaction; false where nothing was stored. */
  async #write(due: readonly Entry[], proof: Compare, signal: AbortSignal): Promise<boolean> {
    const { kv, clock } = this.#options;
    const compares: Compare[] = [proof];
    const writes: Write[] = [];
    for (const [key, slot] of due) this.#addWrite(key, slot, compares, writes);
    const sent = due.map(([key, slot]) => ({ key, slot, text: slot.wantedText, before: slot.stored }));
    const forget = (): void => {
      for (const { slot } of sent) slot.stored = undefined;
    };
    forget(); // until the answer is there
    try {
      const { applied, revision } = await kv.commit({ compares, writes }, signal);
      const nowMs = clock.monotonicMs();
      for (const { key, slot, text, before } of sent) {
        if (applied) this.#noteStored(key, slot, text === undefined ? ABSENT : { text, revision }, nowMs);
        else slot.stored ??= before;
      }
      if (!applied) for (const { key, slot } of sent) await this.#noteLoss(key, slot, sent.length === 1, signal);
      return applied;
    } catch (error) {
      forget(); // what a reset has read meanwhile may be from before
      throw error;
    }
  }

  #noteStored(key: InstanceKey, slot: Slot, stored: Stored, nowMs: number): void {
    slot.stored = stored;
    slot.losses = 0;
    slot.recentWritesMs = [...slot.recentWritesMs.filter((atMs) => nowMs - atMs < CALM_MS), nowMs];
    if (stored.text === undefined && slot.wantedText === undefined) this.#slots.delete(key);
  }

  /**
   * An order has changed meanwhile, and the next pass will want another status; or presence has, and the next registration resets; or
   * the status itself has: the leader forgets one, somebody changes one by hand.
   */
  async #noteLoss(key: InstanceKey, slot: Slot, wasAlone: boolean, signal: AbortSignal): Promise<void> {
    const { kv, layout, node, clock, log, random } = this.#options;
    slot.losses += 1;
    if (!wasAlone) return;
    const { kv: found } = await kv.get(layout.status(node, key), signal);
    slot.stored = found === undefined ? ABSENT : { text: found.value, revision: found.modRevision };
    slot.dueAtMs = clock.monotonicMs() + backoffMs(slot.losses, { ...LOST_RETRY, random });
    if (slot.losses === REPORTED_LOSSES)
      log.warn({ instance: key, answers: slot.wanted?.assignmentRevision }, 'status not stored: its order is another');
  }

  #addWrite(key: InstanceKey, slot: Slot, compares: Compare[], writes: Write[]): void {
    const { layout, node } = this.#options;
    const path = layout.status(node, key);
    compares.push({ key: path, modRevision: slot.stored?.revision ?? 0 });
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
        stored: ABSENT,
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

/** What is wanted isn't what is stored, or nobody knows. */
function isOpen({ stored, wantedText }: Slot): boolean {
  return stored === undefined || stored.text !== wantedText;
}

/** As many as fit. Those of a batch that was lost go one by one, after all others: one of them must not keep them all from being stored. */
function pickBatch(due: readonly Entry[]): readonly Entry[] {
  const sound = due.filter(([, slot]) => slot.losses === 0);
  return sound.length > 0 ? sound.slice(0, BATCH_LIMIT) : due.slice(0, 1);
}
