import type { NodeId } from '../domain/ids.ts';
import type { Hold } from '../domain/node.ts';

export interface FollowedHoldOptions {
  readonly hold: Hold;
  /** Monotonic, as all times here: when it's first looked at. */
  readonly nowMs: number;
  readonly endsAtMs: number;
  readonly ttlMs: number;
  readonly isGoing: (node: NodeId) => boolean;
}

/**
 * An active hold as this leader follows it: which of its nodes aren't back, and since when no more of them came.
 *
 * A node that is there at the first look has come back, or it's silent: it has missed a renewal, and its presence may vanish yet. It
 * counts as gone until it has been seen to go and to return, or is still there when a lease that nobody renews has run out.
 */
export class FollowedHold {
  readonly since: string;
  readonly endsAtMs: number;
  readonly #beganMs: number;
  readonly #sureAtMs: number;
  readonly #isGoing: (node: NodeId) => boolean;
  /** There at the first look, and every time since. */
  readonly #unsure: Set<NodeId>;
  #nodes: ReadonlySet<NodeId>;
  #missing: ReadonlySet<NodeId>;
  #returnedAtMs: number | undefined;

  constructor({ hold, nowMs, endsAtMs, ttlMs, isGoing }: FollowedHoldOptions) {
    this.since = hold.since;
    this.endsAtMs = endsAtMs;
    this.#beganMs = nowMs;
    this.#sureAtMs = nowMs + ttlMs;
    this.#isGoing = isGoing;
    this.#nodes = new Set(hold.nodes);
    this.#unsure = new Set(hold.nodes.filter((node) => !isGoing(node)));
    this.#missing = this.#nodes; // the silent ones too
  }

  /** How many of its nodes are gone or leaving, for all to see. */
  get going(): number {
    return this.#missing.size - this.#unsure.size;
  }

  /** How many of its nodes aren't back, as far as one can be sure. */
  get still(): number {
    return this.#missing.size;
  }

  /** When the last of its nodes came back, or went again after others had; undefined: none has come. */
  get returnedAtMs(): number | undefined {
    return this.#returnedAtMs;
  }

  has(node: NodeId): boolean {
    return this.#nodes.has(node);
  }

  /** When time alone changes what is known of its nodes; undefined: it doesn't. */
  sureInMs(nowMs: number): number | undefined {
    return this.#unsure.size === 0 ? undefined : this.#sureAtMs - nowMs;
  }

  /** Takes in what its nodes do, and those that it has taken in itself. */
  look({ nodes }: Hold, nowMs: number): void {
    if (this.#nodes.size !== nodes.length) this.#nodes = new Set(nodes);
    for (const node of this.#unsure) if (this.#isGoing(node)) this.#unsure.delete(node);
    if (nowMs >= this.#sureAtMs) this.#becomeSure();
    const missing = new Set(nodes.filter((node) => this.#unsure.has(node) || this.#isGoing(node)));
    const hasReturned = [...this.#missing].some((node) => !missing.has(node));
    const hasGone = [...missing].some((node) => !this.#missing.has(node));
    // Who goes again gives the others, and itself, the whole time anew.
    if (hasReturned || (hasGone && this.#returnedAtMs !== undefined)) this.#returnedAtMs = nowMs;
    this.#missing = missing;
  }

  /** Those that are still there have been all the time: it's no return of this moment. */
  #becomeSure(): void {
    if (this.#unsure.size === 0) return;
    this.#returnedAtMs ??= this.#beganMs;
    this.#missing = new Set([...this.#missing].filter((node) => !this.#unsure.has(node)));
    this.#unsure.clear();
  }
}
