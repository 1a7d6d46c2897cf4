import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import {
  type CopyEntry,
  type InstanceEntry,
  makeInstanceEntry,
  makeWorkloadEntry,
  type NodeEntry,
  type WorkloadEntry,
} from './state-entries.ts';

/** Everything that the store names, each thing made when it's first named and gone with its last trace. */
export class StateIndex {
  readonly nodes = new Map<NodeId, NodeEntry>();
  readonly workloads = new Map<WorkloadName, WorkloadEntry>();
  readonly #makeNode: (id: NodeId) => NodeEntry;

  constructor(makeNode: (id: NodeId) => NodeEntry) {
    this.#makeNode = makeNode;
  }

  /** Nodes stay: there are few. */
  node(id: NodeId): NodeEntry {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = this.#makeNode(id);
      this.nodes.set(id, node);
    }
    return node;
  }

  workload(name: WorkloadName): WorkloadEntry {
    let entry = this.workloads.get(name);
    if (entry === undefined) {
      entry = makeWorkloadEntry(name);
      this.workloads.set(name, entry);
    }
    return entry;
  }

  instance(key: InstanceKey): { readonly workload: WorkloadEntry; readonly instance: InstanceEntry } {
    const { workload: name, slot } = splitInstanceKey(key);
    const workload = this.workload(name);
    let instance = workload.instances.get(slot);
    if (instance === undefined) {
      instance = makeInstanceEntry(name, slot);
      workload.instances.set(slot, instance);
    }
    return { workload, instance };
  }

  /** The same object under its node and under its instance. */
  copy(node: NodeEntry, instance: InstanceEntry): CopyEntry {
    let copy = instance.copies.get(node.id);
    if (copy === undefined) {
      copy = { key: instance.key, node: node.id, assignment: undefined, status: undefined };
      instance.copies.set(node.id, copy);
      node.copies.set(instance.key, copy);
    }
    return copy;
  }

  /** `isOrdered`: there is an order, though it can't be read. */
  pruneCopy(node: NodeEntry, instance: InstanceEntry, isOrdered: boolean): void {
    const copy = instance.copies.get(node.id);
    if (isOrdered || copy === undefined || copy.assignment !== undefined || copy.status !== undefined) return;
    instance.copies.delete(node.id);
    node.copies.delete(instance.key);
  }

  prune(workload: WorkloadEntry, instance?: InstanceEntry): void {
    const isTraceless = instance?.record === undefined && instance?.copies.size === 0 && instance.unreadable.size === 0;
    if (instance !== undefined && isTraceless) workload.instances.delete(instance.slot);
    if (workload.workload === undefined && !workload.unreadable && workload.instances.size === 0) {
      this.workloads.delete(workload.name);
    }
  }
}
