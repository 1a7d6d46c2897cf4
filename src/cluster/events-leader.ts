import type { NodeId } from '../domain/ids.ts';
import type { KeyValue, Revision, WatchEvent } from '../etcd/port.ts';
import { candidateCodec } from './codecs.ts';
import { isCandidacy } from './election.ts';
import type { Layout } from './layout.ts';

/** One candidacy, from when to when. */
interface Stand {
  readonly key: string;
  readonly node: NodeId;
  readonly createRevision: Revision;
  /** Infinity while it stands. */
  endedAt: Revision;
}

/** Who led at each revision of a stretch of history: the oldest candidacy that stood then. */
export class LeaderTimeline {
  readonly #layout: Layout;
  readonly #stands = new Map<string, Stand>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Takes in a candidacy that stands. */
  learn(kv: KeyValue): void {
    if (!isCandidacy(this.#layout, kv)) return;
    try {
      const { node } = candidateCodec.decode(kv.value, kv.key);
      const { key, createRevision } = kv;
      const id = `${key} ${createRevision}`; // a lease may stand again
      if (!this.#stands.has(id)) this.#stands.set(id, { key, node, createRevision, endedAt: Infinity });
    } catch {
      // Nobody's of ours.
    }
  }

  /** Takes in a change, be it known already or not. */
  absorb({ type, kv, previous }: WatchEvent): void {
    if (!kv.key.startsWith(this.#layout.election)) return;
    if (type === 'put') {
      this.learn(kv);
      return;
    }
    if (previous !== undefined) this.learn(previous);
    for (const stand of this.#stands.values()) {
      const isIt = stand.key === kv.key && stand.createRevision < kv.modRevision;
      if (isIt) stand.endedAt = Math.min(stand.endedAt, kv.modRevision);
    }
  }

  /** Who led as of this revision. */
  at(revision: Revision): Omit<Stand, 'endedAt'> | undefined {
    let leader: Stand | undefined;
    for (const stand of this.#stands.values()) {
      if (stand.createRevision > revision || stand.endedAt <= revision) continue;
      if (leader === undefined || stand.createRevision < leader.createRevision) leader = stand;
    }
    return leader;
  }

  /** Forgets what ended before: nobody asks for it any more. */
  forgetBefore(revision: Revision): void {
    for (const [id, { endedAt }] of this.#stands) if (endedAt < revision) this.#stands.delete(id);
  }
}
