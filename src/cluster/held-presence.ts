import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { NodeRecord, Presence, PresenceState } from '../domain/node.ts';
import type { Compare, Granted, Kv, LeaseId, Revision, Write } from '../etcd/port.ts';
import { nodeRecordCodec, presenceCodec } from './codecs.ts';
import type { Layout } from './layout.ts';
import type { OwnPresenceOptions } from './own-presence.ts';
import type { PresenceWords } from './take-presence.ts';

export interface HeldPresenceOptions {
  readonly kv: Pick<Kv, 'get' | 'watch' | 'commit'>;
  readonly layout: Layout;
  readonly node: NodeId;
  readonly nonce: string;
  /** What is to be said of the store; nothing while it's trusted. */
  readonly doubt: () => Pick<Presence, 'doubt' | 'epoch'>;
}

/** What presence is bound to, and whose it is. */
export interface Holding {
  readonly leaseId: LeaseId;
  /** Of presence as this process wrote it. */
  readonly revision: Revision;
  /** As it was written with it. */
  readonly record: NodeRecord;
  readonly ttlMs: number;
}

/** This node's presence as this process holds it: the proof for its writes, and the words in it. */
export class HeldPresence {
  readonly #options: HeldPresenceOptions;
  readonly #key: string;
  #holding: Holding | undefined;
  #isOurs = false;
  /** What presence says, also when it's taken anew; `in-doubt` follows from the store. */
  #state: Exclude<PresenceState, 'in-doubt'> = 'up';

  constructor(options: HeldPresenceOptions) {
    this.#options = options;
    this.#key = options.layout.presence(options.node);
  }

  get state(): Exclude<PresenceState, 'in-doubt'> {
    return this.#state;
  }

  /** The lease that presence was bound to last. */
  get leaseId(): LeaseId | undefined {
    return this.#holding?.leaseId;
  }

  /** For presence to say when it's taken or rewritten. */
  get words(): PresenceWords {
    return this.#wordsOf(this.#state);
  }

  /** Proof for a write: presence as this process last wrote it; undefined while it isn't ours. */
  guard(): Compare | undefined {
    if (!this.#isOurs || this.#holding === undefined) return undefined;
    return { key: this.#key, modRevision: this.#holding.revision };
  }

  /** It has been taken. */
  taken(holding: Holding): void {
    this.#holding = holding;
    this.#isOurs = true;
  }

  /** It's gone, or about to be taken anew. */
  released(): void {
    this.#isOurs = false;
  }

  /** To find out whether it's still this process's. */
  get asOwn(): OwnPresenceOptions {
    const { kv, nonce } = this.#options;
    const onOwn = (revision: Revision) => {
      if (this.#holding === undefined || revision <= this.#holding.revision) return;
      this.#holding = { ...this.#holding, revision };
    };
    return { kv, key: this.#key, nonce, onOwn };
  }

  /**
   * Says it in presence, where that is ours; under another lease, where one is given. `leaving` is said from now on, whatever
   * happens. `away` is noted in the record too, which outlives presence: a leader that comes later must know of the long lease.
   * Rejects `FENCED` where presence was lost.
   */
  async say(
    state: 'leaving' | 'away',
    signal: AbortSignal,
    lease: Pick<Granted, 'id' | 'ttlMs'> | undefined = this.#lease,
  ): Promise<void> {
    if (state === 'leaving') this.#state = state;
    const { kv, layout, node, nonce } = this.#options;
    const proof = this.guard();
    if (proof === undefined || lease === undefined || this.#holding === undefined) return;
    const { record } = this.#holding;
    const presence: Presence = { nonce, bootId: record.bootId, ttlMs: lease.ttlMs, ...this.#wordsOf(state) };
    const writes: Write[] = [{ put: this.#key, value: presenceCodec.encode(presence), lease: lease.id }];
    if (state === 'away') {
      const value = nodeRecordCodec.encode({ ...record, handoverMs: lease.ttlMs });
      writes.push({ put: layout.nodeRecord(node), value });
    }
    const { applied, revision } = await kv.commit({ compares: [proof], writes }, signal);
    if (!applied)
      throw new AgentError(
        'FENCED',
        `Cannot say "${state}" for node ${node}: its presence is no longer this process's`,
      );
    this.#holding = { ...this.#holding, leaseId: lease.id, revision };
  }

  get #lease(): Pick<Granted, 'id' | 'ttlMs'> | undefined {
    return this.#holding && { id: this.#holding.leaseId, ttlMs: this.#holding.ttlMs };
  }

  #wordsOf(state: Exclude<PresenceState, 'in-doubt'>): PresenceWords {
    const doubt = this.#options.doubt();
    return { state: state === 'up' && doubt.doubt !== undefined ? 'in-doubt' : state, ...doubt };
  }
}
