import { assignmentCodec } from '../cluster/codecs.ts';
import { type Layout, parseInstancePath } from '../cluster/layout.ts';
import type { Mirror } from '../cluster/mirror.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import type { Assignment } from '../domain/spec.ts';
import type { Log } from '../loop/log.ts';

/** One order as this node reads it. */
export interface Order {
  readonly key: InstanceKey;
  readonly revision: number;
  readonly assignment: Assignment;
}

/** This node's orders, decoded once per revision. A key or value that can't be read is reported once and skipped. */
export class OrderBook {
  readonly #mirror: Mirror;
  readonly #range: string;
  readonly #log: Log;
  readonly #decoded = new Map<string, { readonly revision: number; readonly order: Order | undefined }>();

  constructor(options: { readonly mirror: Mirror; readonly layout: Layout; readonly node: NodeId; readonly log: Log }) {
    this.#mirror = options.mirror;
    this.#range = options.layout.assignmentsOf(options.node);
    this.#log = options.log;
  }

  /** All orders that can be read. */
  read(): ReadonlyMap<InstanceKey, Order> {
    const { entries } = this.#mirror;
    for (const path of this.#decoded.keys()) if (!entries.has(path)) this.#decoded.delete(path);
    const orders = new Map<InstanceKey, Order>();
    for (const [path, kv] of entries) {
      let known = this.#decoded.get(path);
      if (known?.revision !== kv.modRevision) {
        known = { revision: kv.modRevision, order: this.#decode(path, kv.value, kv.modRevision) };
        this.#decoded.set(path, known);
      }
      if (known.order !== undefined) orders.set(known.order.key, known.order);
    }
    return orders;
  }

  #decode(path: string, value: string, revision: number): Order | undefined {
    try {
      return { key: parseInstancePath(this.#range, path), revision, assignment: assignmentCodec.decode(value, path) };
    } catch (err) {
      this.#log.warn({ key: path, revision, err }, 'assignment not readable, skipped');
      return undefined;
    }
  }
}
