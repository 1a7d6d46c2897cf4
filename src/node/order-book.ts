import { assignmentCodec } from '../cluster/codecs.ts';
import { type Layout, parseInstancePath } from '../cluster/layout.ts';
import type { Mirror } from '../cluster/mirror.ts';
import { errorText } from '../domain/errors.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import type { Assignment } from '../domain/spec.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { ReportOnce } from '../loop/report-once.ts';

/** One order as this node reads it. */
export interface Order {
  readonly key: InstanceKey;
  readonly revision: number;
  readonly assignment: Assignment;
  /** The cluster's epoch where it's known with the order alone; absent: the present one. */
  readonly epoch?: number;
}

/** An order whose value can't be read: what it says is unknown, so nothing follows from it. */
export interface UnreadableOrder {
  readonly revision: number;
  readonly error: string;
}

/** The orders of this node, as far as they can be read. */
export interface Orders {
  readonly readable: ReadonlyMap<InstanceKey, Order>;
  readonly unreadable: ReadonlyMap<InstanceKey, UnreadableOrder>;
}

interface Decoded {
  readonly revision: number;
  readonly value: string;
  /** Undefined for a key that names no instance. */
  readonly key: InstanceKey | undefined;
  readonly order: Order | UnreadableOrder | undefined;
}

export interface OrderBookOptions {
  readonly mirror: Pick<Mirror, 'entries'>;
  readonly layout: Layout;
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * This node's orders, each decoded once: by its revision and its value, since a store that was set back numbers others the same.
 * What can't be read is reported once.
 */
export class OrderBook {
  readonly #options: OrderBookOptions;
  readonly #range: string;
  readonly #reports: ReportOnce;
  readonly #decoded = new Map<string, Decoded>();

  constructor(options: OrderBookOptions) {
    this.#options = options;
    this.#range = options.layout.assignmentsOf(options.node);
    this.#reports = new ReportOnce(options.clock);
  }

  /** All orders of this moment. */
  read(): Orders {
    const { entries } = this.#options.mirror;
    for (const path of this.#decoded.keys()) if (!entries.has(path)) this.#decoded.delete(path);
    const readable = new Map<InstanceKey, Order>();
    const unreadable = new Map<InstanceKey, UnreadableOrder>();
    for (const [path, { value, modRevision }] of entries) {
      let known = this.#decoded.get(path);
      if (known?.revision !== modRevision || known.value !== value) {
        known = this.#decode(path, value, modRevision);
        this.#decoded.set(path, known);
      }
      const { key, order } = known;
      if (key === undefined || order === undefined) continue;
      if ('error' in order) unreadable.set(key, order);
      else readable.set(key, order);
    }
    return { readable, unreadable };
  }

  #decode(path: string, value: string, revision: number): Decoded {
    let key: InstanceKey | undefined;
    try {
      key = parseInstancePath(this.#range, path);
      return { revision, value, key, order: { key, revision, assignment: assignmentCodec.decode(value, path) } };
    } catch (err) {
      const error = errorText(err);
      this.#reports.report(path, error, () => {
        this.#options.log.warn({ key: path.slice(0, 300), revision, err }, 'assignment not readable, left alone');
      });
      return { revision, value, key, order: key && { revision, error } };
    }
  }
}
