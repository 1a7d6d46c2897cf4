import type { EventDraft, EventNode } from '../domain/event.ts';
import { type NodeId, parseWorkloadName } from '../domain/ids.ts';
import type { KeyValue, Revision, WatchEvent } from '../etcd/port.ts';
import type { Codec } from './codec.ts';
import {
  clusterSettingsCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from './codecs.ts';
import type { Changed } from './events-changed.ts';
import { LeaderTimeline } from './events-leader.ts';
import {
  clusterEvents,
  holdEvents,
  presenceEvents,
  recordEvents,
  settingsEvents,
  verdictEvents,
} from './events-of-nodes.ts';
import { instanceEvents, statusEvents, workloadEvents } from './events-of-work.ts';
import { type Layout, parseInstancePath, parseNodeInstancePath, parseNodeKey } from './layout.ts';

/** Makes events of changes, knowing only what nodes are called and who stands for leader: nothing else of the cluster. */
export class EventMaker {
  readonly leaders: LeaderTimeline;
  readonly #layout: Layout;
  readonly #names = new Map<NodeId, string>();
  /** Records of nodes that have never been there yet. */
  readonly #joining = new Set<string>();

  constructor(layout: Layout) {
    this.#layout = layout;
    this.leaders = new LeaderTimeline(layout);
  }

  /** A node as people know it, by what has been learned. */
  readonly nodeOf = (id: string): EventNode => {
    return { id: id as NodeId, hostname: this.#names.get(id as NodeId) ?? id.slice(0, 8) };
  };

  /** Learns what nodes are called. */
  learnNodes(kvs: readonly KeyValue[]): void {
    for (const { key, value } of kvs) if (key.endsWith('/record')) this.#learnName(key, value);
  }

  /** What one transaction's changes mean, in their order. */
  derive(changes: readonly WatchEvent[], revision: Revision): EventDraft[] {
    for (const change of changes) {
      if (change.type !== 'put' || !change.kv.key.endsWith('/record')) continue;
      this.#learnName(change.kv.key, change.kv.value);
      if (isNew(change)) this.#joining.add(change.kv.key);
    }
    const drafts = changes.flatMap((change) => this.#deriveOne(change));
    if (!changes.some(({ kv }) => kv.key.startsWith(this.#layout.election))) return drafts;
    for (const change of changes) this.leaders.absorb(change);
    return [...drafts, ...this.#leaderEvents(revision)];
  }

  /** A key or a value that isn't ours to understand tells nothing. */
  #deriveOne(change: WatchEvent): EventDraft[] {
    const layout = this.#layout;
    const { key } = change.kv;
    try {
      if (key.startsWith(layout.nodes)) return this.#nodeEvents(change);
      if (key.startsWith(layout.workloads)) {
        return workloadEvents(parseWorkloadName(key.slice(layout.workloads.length)), read(workloadCodec, change));
      }
      if (key.startsWith(layout.instances)) {
        return instanceEvents(parseInstancePath(layout.instances, key), read(instanceCodec, change), this.nodeOf);
      }
      if (key.startsWith(layout.statuses)) {
        const { node, instance } = parseNodeInstancePath(layout.statuses, key);
        return statusEvents(instance, this.nodeOf(node), read(statusCodec, change));
      }
      if (key === layout.hold('mass-loss')) return holdEvents(read(holdCodec, change));
      return key === layout.cluster ? clusterEvents(read(clusterSettingsCodec, change)) : [];
    } catch {
      return [];
    }
  }

  #nodeEvents(change: WatchEvent): EventDraft[] {
    const { node: id, kind } = parseNodeKey(this.#layout, change.kv.key);
    const node = this.nodeOf(id);
    switch (kind) {
      case 'record':
        return recordEvents(node, read(nodeRecordCodec, change));
      case 'presence':
        return presenceEvents(node, read(presenceCodec, change), this.#joins(change, id));
      case 'settings':
        return change.type === 'delete' ? [] : settingsEvents(node, read(nodeSettingsCodec, change));
      case 'verdict':
        return verdictEvents(node, read(nodeVerdictCodec, change));
    }
  }

  /** Its first presence: that it joined has been told. */
  #joins(change: WatchEvent, id: NodeId): boolean {
    return isNew(change) && this.#joining.delete(this.#layout.nodeRecord(id));
  }

  #leaderEvents(revision: Revision): EventDraft[] {
    const [before, after] = [this.leaders.at(revision - 1), this.leaders.at(revision)];
    if (before?.createRevision === after?.createRevision) return [];
    if (after === undefined) return [{ type: 'leader.changed', subject: 'cluster', text: 'nobody leads' }];
    const node = this.nodeOf(after.node);
    const from = before === undefined ? undefined : this.nodeOf(before.node);
    const afterText = from === undefined ? '' : `, after ${from.hostname}`;
    const text = `${node.hostname} leads${afterText}, term ${after.createRevision}`;
    return [{ type: 'leader.changed', subject: 'cluster', text, node, ...(from === undefined ? {} : { from }) }];
  }

  #learnName(key: string, value: string): void {
    try {
      const { node } = parseNodeKey(this.#layout, key);
      this.#names.set(node, nodeRecordCodec.decode(value, key).hostname);
    } catch {
      // Its ID's first digits serve as well.
    }
  }
}

function read<T>(codec: Codec<T>, change: WatchEvent): Changed<T> {
  const { type, kv, previous } = change;
  const decode = (value: string | undefined) => {
    if (value === undefined) return undefined;
    try {
      return codec.decode(value, kv.key);
    } catch {
      return undefined;
    }
  };
  return {
    before: decode(previous?.value),
    after: type === 'put' ? codec.decode(kv.value, kv.key) : undefined,
    isNew: isNew(change),
  };
}

function isNew({ type, kv }: WatchEvent): boolean {
  return type === 'put' && kv.createRevision === kv.modRevision;
}
