import type { InstanceKey, NodeId, Slot, WorkloadName } from '../domain/ids.ts';
import type { Assignment, DisconnectMode, Workload } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';
import { type CopyView, type InstanceView, isUnordered, type NodeView, type Versioned } from './cluster-view.ts';
import type { Seeker } from './placement/rules.ts';
import { makeOccupant, placedAs } from './placement/usage.ts';
import type { PlanContext } from './plan-cluster-context.ts';
import { type Standing, standingOf } from './plan-cluster-loss.ts';

/** See {@link firstReportInMs}. */
const REPORT_STEP_MS = 250;

/** A copy that has an order. */
export interface Copy {
  readonly node: NodeId;
  readonly view: NodeView | undefined;
  readonly assignment: Versioned<Assignment>;
  readonly status: InstanceStatus | undefined;
  readonly standing: Standing;
  /** Its node was told to stop it, and says for that very order that it has; or it's forgotten. */
  readonly isStopped: boolean;
  /** An operator says that its node is gone for good, and nothing of it runs there. */
  readonly isForgotten: boolean;
  /** Its node went away and another copy replaced it: when the node is back, `onReturn` chooses between the two. */
  readonly isReplaced: boolean;
  /** What its node says answers its present order. */
  readonly isAnswered: boolean;
  /** Its node says for the present order that it's well, or has come to its own good end (a unit may). */
  readonly isHealthy: boolean;
  /** It would be, by what its node said last; but its agent is away, or has just come, and is about to say what is so now. */
  readonly isUnheard: boolean;
}

/** A node that may run the instance without an order: it says so, or the record names it and the order is gone. */
export interface Ghost {
  readonly node: NodeId;
  readonly standing: Standing;
  /** It says itself that it runs it. */
  readonly isReported: boolean;
  /** The record names it. */
  readonly isRecorded: boolean;
  readonly spec: number;
}

/** Whose turn it is to be interrupted: one instance of a workload at a time. */
export interface Turn {
  updateFree: boolean;
  moveFree: boolean;
}

/** One instance of a workload that exists, with everything that deciding about it takes. */
export interface Subject {
  readonly ctx: PlanContext;
  readonly name: WorkloadName;
  readonly workload: Versioned<Workload>;
  readonly instance: InstanceView;
  readonly mode: DisconnectMode;
  readonly isGlobal: boolean;
  /** The copy that counts, if any. */
  readonly current: Copy | undefined;
  /** All other copies with an order, in order of their nodes. */
  readonly others: readonly Copy[];
  readonly ghosts: readonly Ghost[];
  readonly seeker: Seeker;
  readonly turn: Turn;
}

/** Reads one instance. */
export function makeSubject(
  ctx: PlanContext,
  name: WorkloadName,
  workload: Versioned<Workload>,
  instance: InstanceView,
  turn: Turn,
): Subject {
  const mode = workload.value.disconnect.mode;
  const copies = readCopies(ctx, name, instance, mode);
  const current = pickCurrent(instance, copies);
  return {
    ctx,
    name,
    workload,
    instance,
    mode,
    isGlobal: workload.value.scale.kind === 'global',
    current,
    others: copies.filter((copy) => copy !== current),
    ghosts: readGhosts(ctx, instance, mode),
    seeker: {
      ...makeOccupant(instance.key, workload.value, true),
      workload: placedAs(instance.key, workload.value),
    },
    turn,
  };
}

/** An instance of which nothing is stored yet. */
export function makeNewInstance(key: InstanceKey, slot: Slot): InstanceView {
  return { key, slot, record: undefined, copies: new Map(), unreadable: new Set() };
}

function readCopies(ctx: PlanContext, name: WorkloadName, instance: InstanceView, mode: DisconnectMode): Copy[] {
  const replaced = new Set(instance.record?.value.copies.flatMap(({ node, lost }) => (lost === true ? [node] : [])));
  return sortedCopies(instance).flatMap(({ node, assignment, status }) => {
    if (assignment === undefined) return [];
    const { order, disconnect } = assignment.value;
    const answered = status?.value.assignmentRevision === assignment.revision;
    const view = ctx.node(node);
    const standing = standingOf(view, mode);
    const saysWell =
      order === 'run' &&
      answered &&
      isOfThisBoot(status.value, view) &&
      (status.value.healthy || status.value.phase === 'stopped');
    const reportInMs = saysWell ? firstReportInMs(status, view) : 0;
    if (reportInMs > 0) ctx.wakeIn(name, reportInMs);
    const isUnheard = saysWell && (reportInMs > 0 || view?.presence?.value.state === 'away');
    // Such a node keeps running it however long it is away: the workload became `stop` too late for it to know.
    const outlives = mode === 'stop' && disconnect === 'keep' && view?.removal?.force !== true;
    const isForgotten = view?.removal !== undefined && standing === 'lost' && !outlives;
    return {
      node,
      view,
      assignment,
      status: status?.value,
      standing: standing === 'lost' && outlives ? 'missing' : standing,
      isReplaced: replaced.has(node),
      isAnswered: answered,
      isStopped: isForgotten || (order === 'stop' && answered && status.value.phase === 'stopped'),
      isForgotten,
      isHealthy: saysWell && !isUnheard,
      isUnheard,
    };
  });
}

/** Else it says what was so before its machine booted anew: nobody knows what runs now. */
function isOfThisBoot({ bootId }: InstanceStatus, view: NodeView | undefined): boolean {
  const presence = view?.presence?.value;
  return presence === undefined || bootId === undefined || bootId === presence.bootId;
}

/** Its agent has just come: for so long it has the time to say whether what it said before still holds. 0: it has said so, or had it. */
function firstReportInMs({ revision }: Versioned<InstanceStatus>, view: NodeView | undefined): number {
  const { reportsInMs = 0, presence } = view ?? {};
  if (presence === undefined || revision > presence.revision) return 0;
  return Math.ceil(reportsInMs / REPORT_STEP_MS) * REPORT_STEP_MS; // nodes that come together are looked at together
}

/** Of several that could count (which no step of ours leaves behind), the one that serves best. */
function pickCurrent(instance: InstanceView, copies: readonly Copy[]): Copy | undefined {
  const roles = new Map(instance.record?.value.copies.map(({ node, role }) => [node, role]));
  const eligible = copies.filter(
    (copy) => roles.get(copy.node) !== 'superseded' && copy.assignment.value.superseded !== true,
  );
  const rank = (copy: Copy) =>
    (copy.assignment.value.order === 'run' ? 4 : 0) + (copy.standing === 'present' ? 2 : 0) + (copy.isHealthy ? 1 : 0);
  return eligible.sort((a, b) => rank(b) - rank(a) || (a.node < b.node ? -1 : 1))[0];
}

function readGhosts(ctx: PlanContext, instance: InstanceView, mode: DisconnectMode): Ghost[] {
  const ghosts = new Map<NodeId, Ghost>();
  for (const { node } of instance.record?.value.copies ?? []) {
    if (instance.copies.get(node)?.assignment === undefined) {
      ghosts.set(node, {
        node,
        standing: standingOf(ctx.node(node), mode),
        isReported: false,
        isRecorded: true,
        spec: 0,
      });
    }
  }
  for (const copy of instance.copies.values()) {
    const { node, status } = copy;
    if (status === undefined || !isUnordered(copy)) continue;
    const isRecorded = ghosts.has(node);
    const standing = standingOf(ctx.node(node), mode);
    ghosts.set(node, { node, standing, isReported: true, isRecorded, spec: status.value.spec });
  }
  return [...ghosts.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

function sortedCopies(instance: InstanceView): CopyView[] {
  return [...instance.copies.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}
