import type { NodeId } from '../domain/ids.ts';
import type { NodeView } from './cluster-view.ts';
import { chooseNode, explainNoNode, type NoNode } from './placement/choose-node.ts';
import type { ScoreScope } from './placement/scores.ts';
import type { StepDraft } from './plan-cluster-draft.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';

/** Where an instance can go, or why nowhere. */
export type Target = { readonly node: NodeView } | { readonly failure: NoNode };

/** The node that should run the instance as the copy that counts; any but `not`. */
export function findTarget(subject: Subject, not?: NodeId): Target {
  const { ctx, seeker } = subject;
  const only = allowedNodes(subject, not);
  const own = ownNodes(subject);
  if (only === undefined && own.size === 0) {
    const failure = ctx.knownFailure(seeker.workloadName);
    if (failure !== undefined) return { failure };
  }
  const zones = ctx.zones(seeker.workloadName);
  const scope = { seeker, preferred: preferredNodes(subject), zones, own, ownZones: ownZones(subject, own) };
  const best = chooseNode(ctx.candidates(seeker), scope, only);
  if (best !== undefined && best.node.id !== subject.current?.node) return { node: best.node };
  if (not !== undefined) return { failure: explainOthers(subject, not) };
  return { failure: only === undefined ? ctx.explainNoNode(seeker) : explainOnly(subject, only) };
}

/** Nodes where the instance may be running, so that no other may start it: none for `keep`. */
export function unsafeNodes(subject: Subject): ReadonlySet<NodeId> {
  if (subject.mode === 'keep') return new Set();
  const { current, others, ghosts } = subject;
  const copies = [...(current === undefined ? [] : [current]), ...others];
  const running = copies.filter((copy) => !copy.isStopped && copy.standing !== 'lost');
  const haunted = ghosts.filter((ghost) => ghost.standing !== 'lost');
  return new Set([...running, ...haunted].map(({ node }) => node));
}

/**
 * Makes sure that nothing but `target` can run a `stop` instance: what lost nodes were ordered is taken back, in a transaction
 * that also compares that they are still gone. Does nothing for `keep`.
 */
export function fenceOthers(subject: Subject, target: NodeId, draft: StepDraft, reason: string): void {
  if (subject.mode === 'keep') return;
  const { current, others, ghosts } = subject;
  const copies: readonly Copy[] = current === undefined ? others : [current, ...others];
  for (const copy of copies) {
    if (copy.node === target || copy.isStopped) continue;
    draft.whilePresenceIs(copy.node);
    if (copy.assignment.value.order === 'run') draft.stop(copy, reason, true);
  }
  for (const ghost of ghosts) if (ghost.node !== target) draft.whilePresenceIs(ghost.node);
}

/** The nodes to which the choice is limited, whatever the rules say; undefined: all. */
function allowedNodes(subject: Subject, not: NodeId | undefined): ReadonlySet<NodeId> | undefined {
  const { ctx, workload, instance, isGlobal } = subject;
  const limits: ReadonlySet<NodeId>[] = [];
  if (isGlobal) limits.push(new Set([instance.slot as string as NodeId]));
  const data = dataNode(subject);
  if (workload.value.sticky && data !== undefined) limits.push(new Set([data]));
  if (not !== undefined) limits.push(new Set(ctx.allNodes().flatMap(({ node: { id } }) => (id === not ? [] : [id]))));
  const unsafe = unsafeNodes(subject);
  if (unsafe.size === 1) limits.push(unsafe);
  if (unsafe.size > 1) limits.push(new Set());
  if (limits.length === 0) return undefined;
  return limits.reduce((a, b) => a.intersection(b));
}

/** Data on a node that is gone for good is gone with it. */
function dataNode({ ctx, instance, current }: Subject): NodeId | undefined {
  const node = instance.record?.value.lastNode ?? current?.node;
  return node !== undefined && ctx.node(node)?.removal !== undefined ? undefined : node;
}

function explainOthers(subject: Subject, not: NodeId): NoNode {
  const { ctx, seeker } = subject;
  const others = ctx.allNodes().filter(({ node }) => node.id !== not);
  const failure = explainNoNode(seeker, others);
  if (others.length === 0) return { ...failure, reason: 'there is no other node' };
  const holders = [...unsafeNodes(subject)].filter((node) => node !== not).sort();
  return holders.length === 0 ? failure : { ...failure, reason: describeHolders(subject, holders) };
}

function describeHolders({ ctx }: Subject, holders: readonly NodeId[]): string {
  return `has not been seen to stop on ${holders.map((node) => ctx.nodeName(node)).join(', ')}`;
}

function explainOnly(subject: Subject, only: ReadonlySet<NodeId>): NoNode {
  const { ctx, seeker, workload, isGlobal } = subject;
  const unsafe = [...unsafeNodes(subject)].filter((node) => node !== subject.current?.node).sort();
  const nodes = ctx.allNodes().filter(({ node }) => only.has(node.id));
  const failure = explainNoNode(seeker, nodes);
  if (isGlobal) return { ...failure, reason: Object.values(failure.nodes)[0] ?? failure.reason };
  const data = dataNode(subject);
  if (workload.value.sticky && data !== undefined) {
    const why = failure.nodes[data] ?? (nodes.length > 0 ? '' : 'is not known any more');
    return {
      ...failure,
      reason: `its data is on ${ctx.nodeName(data)}${why === '' ? '' : `, which ${asClause(why)}`}`,
    };
  }
  return { ...failure, reason: describeHolders(subject, unsafe) };
}

/** A rule's words behind "which". */
function asClause(why: string): string {
  return /^(has|is|was|conflicts|doubts|label|its|port) /.test(why) ? why : `is ${why}`;
}

/** What runs somewhere already is worth most, then where it last ran; where it has failed is the last resort. */
function preferredNodes({ instance, others, ghosts }: Subject): ReadonlyMap<NodeId, number> {
  const preferred = new Map<NodeId, number>();
  const last = instance.record?.value.lastNode;
  if (last !== undefined) preferred.set(last, 1);
  for (const other of others) preferred.set(other.node, other.assignment.value.order === 'run' ? 4 : 2);
  for (const ghost of ghosts) if (ghost.isReported) preferred.set(ghost.node, 3);
  for (const [at, node] of (instance.record?.value.failing?.nodes ?? []).entries()) preferred.set(node, -1 - at);
  return preferred;
}

function ownNodes({ ctx, instance }: Subject): ReadonlySet<NodeId> {
  if (instance.copies.size === 0) return new Set();
  return new Set(
    [...instance.copies.keys()].filter((id) => {
      const node = ctx.node(id);
      return node !== undefined && ctx.usage(node).has(instance.key);
    }),
  );
}

function ownZones({ ctx }: Subject, own: ReadonlySet<NodeId>): ScoreScope['ownZones'] {
  const zones = new Map<string, number>();
  for (const id of own) {
    const zone = ctx.zoneOf(id);
    zones.set(zone, (zones.get(zone) ?? 0) + 1);
  }
  return zones;
}
