import type { NodeId } from '../domain/ids.ts';

/** What a term knows when it begins. */
export interface LossClockOptions {
  readonly ttlMs: number;
  /** Monotonic. */
  readonly termBeganMs: number;
  /**
   * Its candidacy was watched to its end by this leader, as the term began: it was there until then. It may have resigned, and its
   * presence ended later, with another lease.
   */
  readonly predecessor: NodeId | undefined;
}

/** How long a node has been away, and whether that may be relied on already. */
export interface Absence {
  readonly forMs: number;
  readonly trustInMs: number;
}

interface Trace {
  seenPresent: boolean;
  sinceMs: number | undefined;
  trustedFromMs: number;
}

/**
 * How long each node's presence has been gone, on the monotonic clock, as this leader has seen it. A fresh leader that never saw
 * a node can't tell a moment's absence from a long one: it gives such a node one TTL, unless an earlier leader's verdict is there.
 */
export class LossClock {
  readonly #options: LossClockOptions;
  readonly #traces = new Map<NodeId, Trace>();

  constructor(options: LossClockOptions) {
    this.#options = options;
  }

  /** The node's presence is there. */
  present(node: NodeId): void {
    this.#traces.set(node, { seenPresent: true, sinceMs: undefined, trustedFromMs: 0 });
  }

  /** The node's presence isn't there; the first word of it counts. `isStillLost`: an earlier leader's verdict still holds. True where this leader has seen it before, and so its lease. */
  absent(node: NodeId, nowMs: number, isStillLost: boolean): boolean {
    const trace = this.#traces.get(node);
    if (trace?.sinceMs !== undefined) return true;
    const { ttlMs, termBeganMs, predecessor } = this.#options;
    const isPredecessor = trace === undefined && node === predecessor;
    const isKnown = trace?.seenPresent === true || isPredecessor || isStillLost;
    this.#traces.set(node, {
      seenPresent: trace?.seenPresent ?? false,
      sinceMs: nowMs,
      trustedFromMs: isKnown ? nowMs : termBeganMs + ttlMs,
    });
    return trace?.seenPresent === true;
  }

  /** Undefined for a node that is present, or of which nothing was said. */
  absence(node: NodeId, nowMs: number): Absence | undefined {
    const trace = this.#traces.get(node);
    if (trace?.sinceMs === undefined) return undefined;
    return { forMs: nowMs - trace.sinceMs, trustInMs: Math.max(0, trace.trustedFromMs - nowMs) };
  }

  /** Nothing in the store names the node any more. */
  forget(node: NodeId): void {
    this.#traces.delete(node);
  }
}
