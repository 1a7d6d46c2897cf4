import type { InstanceKey, NodeId, WorkloadName } from '../domain/ids.ts';
import { type ClusterView, isUnordered, type NodeView, type WorkloadView } from './cluster-view.ts';
import { explainNoNode, isCandidate, type NoNode } from './placement/choose-node.ts';
import type { Seeker } from './placement/rules.ts';
import { type Candidate, ZONE_LABEL } from './placement/scores.ts';
import { makeOccupant, NodeUsage } from './placement/usage.ts';
import type { PlanProblem, Step, StepWrite } from './plan-cluster-step.ts';

/** What one plan works with: the view, the steps so far, and what the nodes hold once these are applied. */
export class PlanContext {
  readonly view: ClusterView;
  readonly steps: Step[] = [];
  readonly problems: PlanProblem[] = [];
  /** Workloads that were not looked at to their end, since there are steps enough. */
  readonly unfinished = new Set<WorkloadName>();
  /** In how many milliseconds time alone changes what is planned of a workload. */
  readonly wakes = new Map<WorkloadName, number>();
  readonly #usages = new Map<NodeId, NodeUsage>();
  readonly #candidates = new Map<WorkloadName, readonly Candidate[]>();
  readonly #zones = new Map<WorkloadName, Map<string, number>>();
  readonly #failures = new Map<WorkloadName, { readonly generation: number; readonly failure: NoNode }>();
  #allNodes: readonly Candidate[] | undefined;
  readonly #stepLimit: number;
  #generation = 0;

  constructor(view: ClusterView, stepLimit: number) {
    this.view = view;
    this.#stepLimit = stepLimit;
  }

  /** There are as many steps as were asked for. */
  get isFull(): boolean {
    return this.steps.length >= this.#stepLimit;
  }

  /** Asks for another look at the workload once this time is over; the earliest counts. */
  wakeIn(workload: WorkloadName, ms: number): void {
    this.wakes.set(workload, Math.min(this.wakes.get(workload) ?? Infinity, Math.max(1, Math.ceil(ms))));
  }

  node(id: NodeId): NodeView | undefined {
    return this.view.nodes.get(id);
  }

  /** What people call a node. */
  nodeName(id: NodeId): string {
    return this.node(id)?.record?.hostname ?? id.slice(0, 8);
  }

  zoneOf(id: NodeId): string {
    const node = this.node(id);
    return node === undefined ? '' : zoneOf(node);
  }

  /** Adds a step; what follows is planned as if it were applied. */
  emit(step: Step): void {
    this.steps.push(step);
    for (const write of step.writes) this.#note(write, step.workload);
  }

  /** What is on a node, made when it's first asked for. */
  usage(node: NodeView): NodeUsage {
    let usage = this.#usages.get(node.id);
    if (usage === undefined) {
      usage = this.#readUsage(node);
      this.#usages.set(node.id, usage);
    }
    return usage;
  }

  /** The nodes that would take this workload were they empty, in order of their IDs. */
  candidates(seeker: Seeker): readonly Candidate[] {
    let found = this.#candidates.get(seeker.workloadName);
    if (found === undefined) {
      found = this.allNodes().filter(({ node }) => isCandidate(seeker, node));
      this.#candidates.set(seeker.workloadName, found);
    }
    return found;
  }

  /** All nodes that have ever registered, in order of their IDs. */
  allNodes(): readonly Candidate[] {
    this.#allNodes ??= [...this.view.nodes.values()]
      .filter((node) => node.record !== undefined || node.presence !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((node) => ({ node, usage: this.usage(node), zone: zoneOf(node) }));
    return this.#allNodes;
  }

  /** How many instances of the workload each zone has. */
  zones(workload: WorkloadName): ReadonlyMap<string, number> {
    let zones = this.#zones.get(workload);
    if (zones === undefined) {
      zones = new Map();
      for (const { zone, usage } of this.allNodes()) {
        const count = usage.countOf(workload);
        if (count > 0) zones.set(zone, (zones.get(zone) ?? 0) + count);
      }
      this.#zones.set(workload, zones);
    }
    return zones;
  }

  /** Why no node takes the instance. Siblings that would get the same answer share it. */
  explainNoNode(seeker: Seeker): NoNode {
    const known = this.knownFailure(seeker.workloadName);
    if (known !== undefined) return known;
    const failure = explainNoNode(seeker, this.allNodes());
    this.#failures.set(seeker.workloadName, { generation: this.#generation, failure });
    return failure;
  }

  /** An answer given to a sibling that still holds. */
  knownFailure(workload: WorkloadName): NoNode | undefined {
    const known = this.#failures.get(workload);
    return known?.generation === this.#generation && known.failure.forAllSlots ? known.failure : undefined;
  }

  #readUsage(node: NodeView): NodeUsage {
    const usage = new NodeUsage();
    for (const copy of node.copies.values()) {
      const { assignment, status } = copy;
      // A report without an order takes room only while something runs; an order that can't be read does, to be safe.
      if (assignment === undefined && status !== undefined && !isUnordered(copy)) continue;
      const isCurrent = assignment?.value.order === 'run' && assignment.value.superseded !== true;
      usage.occupy(makeOccupant(copy.key, this.#workloadOf(copy.key), isCurrent));
    }
    return usage;
  }

  #workloadOf(key: InstanceKey) {
    return this.#workloadView(key)?.workload?.value;
  }

  #workloadView(key: InstanceKey): WorkloadView | undefined {
    return this.view.workloads.get(key.slice(0, key.indexOf('/')) as WorkloadName);
  }

  #note(write: StepWrite, workload: WorkloadName): void {
    if (write.kind !== 'put-assignment' && write.kind !== 'delete-assignment') return;
    const node = this.node(write.node);
    if (node === undefined) return;
    this.#generation += 1;
    const usage = this.usage(node);
    const before = usage.countOf(workload);
    if (write.kind === 'delete-assignment') usage.release(write.key);
    else {
      const isCurrent = write.value.order === 'run' && write.value.superseded !== true;
      usage.occupy(makeOccupant(write.key, this.#workloadOf(write.key), isCurrent));
    }
    const zones = this.#zones.get(workload);
    const by = usage.countOf(workload) - before;
    if (zones !== undefined && by !== 0) zones.set(zoneOf(node), (zones.get(zoneOf(node)) ?? 0) + by);
  }
}

function zoneOf(node: NodeView): string {
  return node.labels[ZONE_LABEL] ?? '';
}
