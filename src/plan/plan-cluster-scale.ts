import { isTemplateName, makeInstanceKey, type NodeId, type Slot, type WorkloadName } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';
import { isUnordered, type NodeView, type WorkloadView } from './cluster-view.ts';
import { nodeEvictionReason } from './placement/choose-node.ts';
import { makeOccupant, placedAs } from './placement/usage.ts';
import type { PlanContext } from './plan-cluster-context.ts';

/** The slots that a workload should have: `0`…, a template's `1`…, or the IDs of the nodes that a global one belongs on. */
export function wantedSlots(ctx: PlanContext, view: WorkloadView, workload: Workload): ReadonlySet<Slot> {
  if (workload.scale.kind === 'global') return globalSlots(ctx, view, workload);
  const first = isTemplateName(view.name) ? 1 : 0;
  return new Set(Array.from({ length: workload.scale.replicas }, (_none, index) => String(first + index) as Slot));
}

/** Numbers by their value, then everything else. */
export function compareSlots(a: Slot, b: Slot): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (x !== undefined || y !== undefined) return x !== undefined ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function numberOf(slot: Slot): number | undefined {
  return slot.length < 10 && /^\d+$/.test(slot) ? Number(slot) : undefined;
}

function globalSlots(ctx: PlanContext, view: WorkloadView, workload: Workload): ReadonlySet<Slot> {
  const slots = new Set<Slot>();
  const able = new Set(ctx.candidates(makeSeeker(view.name, workload, '0' as Slot)).map(({ node }) => node.id));
  for (const node of able) slots.add(node as string as Slot);
  for (const slot of view.instances.keys()) {
    const node = ctx.node(slot as string as NodeId);
    if (node !== undefined && !able.has(node.id) && keepsCopy(view, workload, slot, node)) slots.add(slot);
  }
  return slots;
}

/** A node that takes nothing new, or is away, keeps what it has, ordered or not; one that doesn't match any more doesn't. */
function keepsCopy(view: WorkloadView, workload: Workload, slot: Slot, node: NodeView): boolean {
  const copy = view.instances.get(slot)?.copies.get(node.id);
  if (node.removal !== undefined) return false;
  if (copy === undefined || (copy.assignment === undefined && !isUnordered(copy))) return false;
  return nodeEvictionReason(makeSeeker(view.name, workload, slot), node) === undefined;
}

function makeSeeker(name: WorkloadName, workload: Workload, slot: Slot) {
  const key = makeInstanceKey(name, slot);
  return { ...makeOccupant(key, workload, true), workload: placedAs(key, workload) };
}
