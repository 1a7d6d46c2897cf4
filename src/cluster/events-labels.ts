import { AgentError } from '../domain/errors.ts';
import type { ClusterEvent, EventNode } from '../domain/event.ts';
import type { KeyValue, Revision, WatchEvent } from '../etcd/port.ts';
import { nodeRecordCodec, nodeSettingsCodec, workloadCodec } from './codecs.ts';
import type { StoreView } from './desired-read.ts';
import { type Layout, parseNodeKey } from './layout.ts';

/** So many of what is no more are remembered: that it was removed is told too. */
const GONE_LIMIT = 1_000;

/** All of them are asked for. */
export type AskedLabels = readonly (readonly [key: string, value: string])[];

type Labels = Readonly<Record<string, string>>;

/** The asked labels that a key's value sets. */
interface Known {
  readonly revision: Revision;
  readonly labels: Labels;
}

/**
 * Tells which events are about something with all of the asked labels: the workload's own, or those of a node that it's about.
 * Goes by the labels as they are now, and of what is no more by the last that the store's history still has.
 */
export class EventLabels {
  readonly #layout: Layout;
  readonly #asked: AskedLabels;
  readonly #keys: ReadonlySet<string>;
  readonly #known = new Map<string, Known>();
  readonly #gone = new Set<string>();

  constructor(layout: Layout, asked: AskedLabels) {
    this.#layout = layout;
    this.#asked = asked;
    this.#keys = new Set(asked.map(([key]) => key));
  }

  /** Takes in a key as it was read or told; an older version than the one that is known changes nothing. */
  learn({ key, value, modRevision }: Pick<KeyValue, 'key' | 'value' | 'modRevision'>): void {
    const known = this.#known.get(key);
    if (known !== undefined && known.revision >= modRevision) return;
    this.#gone.delete(key);
    const labels = this.#read(key, value);
    if (labels !== undefined) this.#known.set(key, { revision: modRevision, labels });
  }

  /** Takes in what one revision has changed. */
  see(changes: readonly WatchEvent[]): void {
    for (const { type, kv, previous } of changes) {
      if (type === 'put') this.learn(kv);
      else {
        if (previous !== undefined) this.learn(previous);
        this.#lose(kv);
      }
    }
  }

  has({ workload, node, from, to }: ClusterEvent): boolean {
    const own = workload === undefined ? {} : (this.#known.get(this.#layout.workload(workload))?.labels ?? {});
    const all = [own, ...[node, from, to].flatMap((each) => (each === undefined ? [] : [this.#nodeLabels(each)]))];
    return this.#asked.every(([key, value]) => all.some((labels) => labels[key] === value));
  }

  #nodeLabels({ id }: EventNode): Labels {
    const [record, settings] = [this.#layout.nodeRecord(id), this.#layout.nodeSettings(id)];
    return { ...this.#known.get(record)?.labels, ...this.#known.get(settings)?.labels };
  }

  /** Of all that is there only what is asked for is kept. Undefined for a key that has no labels, or a value that isn't ours. */
  #read(key: string, value: string): Labels | undefined {
    const { workloads, nodes } = this.#layout;
    try {
      if (key.startsWith(workloads)) return this.#pick(workloadCodec.decode(value, key).labels ?? {});
      if (!key.startsWith(nodes)) return undefined;
      const { kind } = parseNodeKey(this.#layout, key);
      if (kind === 'record') return this.#pick(nodeRecordCodec.decode(value, key).labels);
      return kind === 'settings' ? this.#pick(nodeSettingsCodec.decode(value, key).labels) : undefined;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return undefined;
    }
  }

  #pick(labels: Labels): Labels {
    return Object.fromEntries(Object.entries(labels).filter(([key]) => this.#keys.has(key)));
  }

  #lose({ key, modRevision }: KeyValue): void {
    const known = this.#known.get(key);
    if (known === undefined || known.revision >= modRevision) return;
    this.#gone.add(key);
    if (this.#gone.size <= GONE_LIMIT) return;
    const [first] = this.#gone;
    if (first === undefined) return;
    this.#gone.delete(first);
    this.#known.delete(first);
  }
}

/** Reads what has labels now. Undefined where none are asked for. */
export async function readEventLabels(
  { kv, layout }: StoreView,
  asked: AskedLabels,
  signal: AbortSignal,
): Promise<EventLabels | undefined> {
  if (asked.length === 0) return undefined;
  const labels = new EventLabels(layout, asked);
  const lists = await Promise.all([layout.workloads, layout.nodes].map(async (range) => kv.list(range, signal)));
  for (const { kvs } of lists) for (const each of kvs) labels.learn(each);
  return labels;
}
