import { statusCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import type { InstanceStatus, Phase } from '../domain/status.ts';
import type { Compare, Kv, Revision, Write } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { ABSENT, pickBatch, STATUS_BATCH_LIMIT, type StatusEntry, StatusSlot } from './status-slot.ts';

/** Between two transactions: what comes meanwhile goes together, for each costs the store, the leader and every watcher. */
const GATHER_MS = 50;
/** One whose order isn't the one that it answers is tried again so often. */
const LOST_RETRY = { firstMs: 100, maxMs: 10_000, jitter: 0.5 } as const;
/** By then the mirror should have shown its order. */
const REPORTED_LOSSES = 7;

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

/**
 * The one writer of this node's statuses: one transaction in flight, latest wins. A write that was not answered may be applied, now
 * or late, by a member that was cut off. So each compares the revision of what it replaces, and after one without an answer what the
 * store has is read, and written over even where it's what is wanted: the late one then finds another revision.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #slots = new Map<InstanceKey, StatusSlot>();
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
      slot.want(status, text, nowMs);
      isAnyDue = true;
    }
    for (const [key, slot] of this.#slots) {
      if (statuses.has(key) || slot.wantedText === undefined) continue;
      slot.wantNothing(nowMs);
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
      if (slot.stored === undefined) slot.foundAfterSilence(revision);
      else slot.stored = { text, revision };
      slot.inherited = status;
    }
  }

  /** True when the store holds what is wanted of every instance. */
  get isSettled(): boolean {
    if (!this.#isPrimed) return false;
    for (const slot of this.#slots.values()) if (slot.isOpen) return false;
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
    const open = [...this.#slots].filter(([, slot]) => slot.isOpen);
    const due = pickBatch(open.filter(([, slot]) => slot.dueAtMs <= nowMs));
    if (due.length === 0) return Math.min(60_000, ...open.map(([, slot]) => Math.max(1, slot.dueAtMs - nowMs)));
    const isStored = await this.#write(due, proof, signal);
    if (!isStored) return 1;
    if (due.length < STATUS_BATCH_LIMIT) await clock.sleep(GATHER_MS, signal);
    return 0;
  }

  /** Those whose write was not answered. One that is absent and not wanted is done with: a late put of it finds its order gone. */
  async #read(unknown: readonly StatusEntry[], signal: AbortSignal): Promise<void> {
    const found = await this.#options.list(signal);
    if (found === undefined) return;
    for (const [key, slot] of unknown) {
      if (slot.stored !== undefined) continue; // a reset came in between
      slot.foundAfterSilence(found.get(key)?.revision);
      if (slot.isDone) this.#slots.delete(key);
    }
  }

  /** One transaction; false where nothing was stored. */
  async #write(due: readonly StatusEntry[], proof: Compare, signal: AbortSignal): Promise<boolean> {
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
        if (applied) slot.wasStored(text === undefined ? ABSENT : { text, revision }, nowMs);
        else slot.stored ??= before;
        if (slot.isDone) this.#slots.delete(key);
      }
      if (!applied) for (const { key, slot } of sent) await this.#noteLoss(key, slot, sent.length === 1, signal);
      return applied;
    } catch (error) {
      forget(); // what a reset has read meanwhile may be from before
      throw error;
    }
  }

  /**
   * An order has changed meanwhile, and the next pass will want another status; or presence has, and the next registration resets; or
   * the status itself has: the leader forgets one, somebody changes one by hand.
   */
  async #noteLoss(key: InstanceKey, slot: StatusSlot, wasAlone: boolean, signal: AbortSignal): Promise<void> {
    const { kv, layout, node, clock, log, random } = this.#options;
    slot.losses += 1;
    if (!wasAlone) return;
    const { kv: found } = await kv.get(layout.status(node, key), signal);
    slot.stored = found === undefined ? ABSENT : { text: found.value, revision: found.modRevision };
    if (slot.isDone) this.#slots.delete(key);
    slot.dueAtMs = clock.monotonicMs() + backoffMs(slot.losses, { ...LOST_RETRY, random });
    if (slot.losses === REPORTED_LOSSES)
      log.warn({ instance: key, answers: slot.wanted?.assignmentRevision }, 'status not stored: its order is another');
  }

  #addWrite(key: InstanceKey, slot: StatusSlot, compares: Compare[], writes: Write[]): void {
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

  #slot(key: InstanceKey): StatusSlot {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = new StatusSlot();
      this.#slots.set(key, slot);
    }
    return slot;
  }
}
