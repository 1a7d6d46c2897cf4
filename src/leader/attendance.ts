import type { NodeEntry } from './state-entries.ts';

/** Who is there and who isn't, kept up to date node by node: asking costs no look at all the others. */
export class Attendance {
  /** Without presence. */
  readonly absent = new Set<NodeEntry>();
  /** Shutting down. */
  readonly leaving = new Set<NodeEntry>();
  /** Present, with doubts about the store. */
  readonly inDoubt = new Set<NodeEntry>();
  /** Present, and kept free of new work for a while. */
  readonly calming = new Set<NodeEntry>();
  /** Its agent has come, and may not have had the time to say what runs; whoever looks takes those out that have. */
  readonly arriving = new Set<NodeEntry>();
  /** With record and presence. */
  readonly here = new Set<NodeEntry>();

  clear(): void {
    for (const set of [this.absent, this.leaving, this.inDoubt, this.calming, this.arriving, this.here]) set.clear();
  }

  /** The node's presence, record or verdict has changed. */
  note(node: NodeEntry): void {
    const { state, doubt } = node.presence?.value ?? {};
    put(this.absent, node, state === undefined);
    put(this.leaving, node, state === 'leaving');
    put(this.inDoubt, node, state === 'in-doubt' || doubt !== undefined); // also while its agent is away, or it leaves
    put(this.calming, node, state !== undefined && node.verdict?.calmUntil !== undefined);
    put(this.here, node, state !== undefined && node.isKnown);
  }
}

function put(set: Set<NodeEntry>, node: NodeEntry, isIn: boolean): void {
  if (isIn) set.add(node);
  else set.delete(node);
}
