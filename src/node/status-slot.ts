import type { InstanceKey } from '../domain/ids.ts';
import type { InstanceStatus, Phase } from '../domain/status.ts';
import { type Revision, TXN_LIMIT } from '../etcd/port.ts';

/** Most statuses in one transaction: each costs two compares and a put; one compare is the writer's proof. */
export const STATUS_BATCH_LIMIT = Math.floor((TXN_LIMIT - 1) / 2);

/** A passing phase is written only if it lasts this long. */
const SETTLE_MS = 100;
/** An instance that has written this often within {@link CALM_MS} is held to one write a second. */
const BURST_WRITES = 6;
const CALM_MS = 5_000;
const FLAP_INTERVAL_MS = 1_000;

const passing: ReadonlySet<Phase> = new Set(['starting', 'stopping', 'pulling', 'pending']);

/** A key as the store has it. */
export interface StoredText {
  readonly text: string | undefined;
  readonly revision: Revision;
}

/** The store has nothing of it. */
export const ABSENT: StoredText = { text: undefined, revision: 0 };

/** What is wanted to be stored of one instance, and what the store has. */
export class StatusSlot {
  /** What an earlier process of this node had stored. */
  inherited: InstanceStatus | undefined;
  /** Undefined while nobody knows: a write has not been answered. */
  stored: StoredText | undefined = ABSENT;
  dueAtMs = 0;
  /** How often in a row its transaction was lost. */
  losses = 0;
  #wanted: InstanceStatus | undefined;
  #wantedText: string | undefined;
  #recentWritesMs: number[] = [];

  get wanted(): InstanceStatus | undefined {
    return this.#wanted;
  }

  /** Undefined where it's to be deleted. */
  get wantedText(): string | undefined {
    return this.#wantedText;
  }

  /** What is wanted isn't what is stored, or nobody knows. */
  get isOpen(): boolean {
    return this.stored === undefined || this.stored.text !== this.#wantedText;
  }

  /** Neither wanted nor stored. */
  get isDone(): boolean {
    return this.#wantedText === undefined && this.stored !== undefined && this.stored.text === undefined;
  }

  /** That the store shall hold this. */
  want(status: InstanceStatus, text: string, nowMs: number): void {
    this.#wanted = status;
    this.#wantedText = text;
    this.dueAtMs = this.#whenDue(status, nowMs);
    this.losses = 0;
  }

  /** That the store shall hold nothing. */
  wantNothing(nowMs: number): void {
    this.#wanted = undefined;
    this.#wantedText = undefined;
    this.dueAtMs = nowMs;
  }

  /**
   * What the store had after a write that was not answered. It counts as another text, whatever it is: it's written over also by itself,
   * so that the write without an answer, should it be applied late, finds another revision.
   */
  foundAfterSilence(revision: Revision | undefined): void {
    this.stored = revision === undefined ? ABSENT : { text: '', revision };
  }

  /** A write was answered. */
  wasStored(stored: StoredText, nowMs: number): void {
    this.stored = stored;
    this.losses = 0;
    this.#recentWritesMs = [...this.#recentSince(nowMs - CALM_MS), nowMs];
  }

  #whenDue(status: InstanceStatus, nowMs: number): number {
    const recent = this.#recentSince(nowMs - CALM_MS);
    const last = recent.at(-1);
    if (recent.length >= BURST_WRITES && last !== undefined) return last + FLAP_INTERVAL_MS;
    return passing.has(status.phase) ? nowMs + SETTLE_MS : nowMs;
  }

  #recentSince(ms: number): readonly number[] {
    return this.#recentWritesMs.filter((atMs) => atMs > ms);
  }
}

/** One instance's slot. */
export type StatusEntry = readonly [InstanceKey, StatusSlot];

/** As many as fit. Those of a batch that was lost go one by one, after all others: one of them must not keep them all from being stored. */
export function pickBatch(due: readonly StatusEntry[]): readonly StatusEntry[] {
  const sound = due.filter(([, slot]) => slot.losses === 0);
  return sound.length > 0 ? sound.slice(0, STATUS_BATCH_LIMIT) : due.slice(0, 1);
}
