import type { CopyEntry, DesiredState } from '../cluster/desired-state.ts';
import { heldText } from '../domain/hold.ts';
import {
  type InstanceKey,
  isTemplateName,
  isUnitName,
  makeInstanceKey,
  type NodeId,
  type Slot,
  splitInstanceKey,
  type WorkloadName,
} from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import { restartOfInstance } from '../domain/run-hash.ts';
import type { InstanceRecord, Workload } from '../domain/spec.ts';
import type { InstanceStatus, Phase } from '../domain/status.ts';
import type { InstanceRow, NodeRef } from '../wire/answers.ts';
import { byInstance } from '../wire/client.ts';
import { matchingNodes } from './matching-nodes.ts';

/** A row, and what only the summary needs to know of it. */
export interface RowFacts {
  readonly row: InstanceRow;
  /** The workload wants this instance. */
  readonly wanted: boolean;
  /** What the leader orders of this copy; undefined without an assignment. */
  readonly order: 'run' | 'stop' | undefined;
  /** The leader has found no way forward for it, and has said why. */
  readonly stuck: boolean;
  /** It runs the present spec, and a restart was ordered since. */
  readonly awaitsRestart: boolean;
}

/** Every copy of a workload's instances, and the instances that have none, in order. */
export function readRows(state: DesiredState, name: WorkloadName): RowFacts[] {
  const workload = state.workloads.get(name)?.value;
  const wanted = new Set(workload === undefined ? [] : wantedKeys(state, name, workload));
  const records = state.instancesOf(name);
  const copies = state.copiesOf(name);
  const keys = new Set([...wanted, ...records.keys(), ...copies.keys()]);
  const facts = [...keys].flatMap((key) => {
    const record = records.get(key);
    const here = copies.get(key) ?? new Map<NodeId, CopyEntry>();
    const stuck = record?.pending !== undefined;
    return instanceRows(state, { key, workload, record, copies: here }).map((row) => {
      const order = row.node === undefined ? undefined : here.get(row.node.id)?.assignment?.value.order;
      const awaitsRestart = row.spec !== undefined && row.spec === workload?.spec && !row.upToDate;
      return { row, wanted: wanted.has(key), order, stuck, awaitsRestart };
    });
  });
  return facts.sort((a, b) => byInstance(a.row, b.row));
}

/** The instances that should run. Of a stopped workload, or one that is being removed: none. */
export function wantedKeys(state: DesiredState, name: WorkloadName, workload: Workload): InstanceKey[] {
  if (workload.desired === 'stop' || workload.removing === true) return [];
  const { scale } = workload;
  if (scale.kind === 'global')
    return matchingNodes(state, name, workload).map((node) => makeInstanceKey(name, node as string as Slot));
  const first = isTemplateName(name) ? 1 : 0;
  return Array.from({ length: scale.replicas }, (_, at) => makeInstanceKey(name, String(at + first) as Slot));
}

interface Instance {
  readonly key: InstanceKey;
  readonly workload: Workload | undefined;
  readonly record: InstanceRecord | undefined;
  readonly copies: ReadonlyMap<NodeId, CopyEntry>;
}

function instanceRows(state: DesiredState, instance: Instance): InstanceRow[] {
  const { record, copies } = instance;
  const recorded = record?.copies ?? [];
  const rows = recorded.map(({ node, role }) => copyRow(state, instance, { role, copy: copies.get(node) ?? { node } }));
  for (const [node, copy] of copies) {
    if (recorded.some((each) => each.node === node)) continue;
    rows.push(copyRow(state, instance, { role: 'orphan', copy }));
  }
  if (!rows.some((row) => row.role === 'current')) rows.push(...emptyRow(instance, rows.length > 0));
  return rows;
}

/** The row of an instance without a current copy. Beside other copies only when it waits for something. */
function emptyRow(instance: Instance, hasOthers: boolean): InstanceRow[] {
  const { workload, record } = instance;
  const stopped = workload === undefined || workload.removing === true || workload.desired === 'stop';
  if (hasOthers && (stopped || record?.pending === undefined)) return [];
  if (stopped && record === undefined) return [];
  const reason = stopped ? stopReason(workload) : (record?.pending?.reason ?? 'waits for the leader to place it');
  const since = record?.pending?.since ?? (stopped ? workload?.changedAt : undefined);
  return [
    {
      ...rowBase(instance),
      id: instance.key,
      phase: stopped ? 'stopped' : 'pending',
      healthy: false,
      health: 'none',
      upToDate: false,
      restarts: 0,
      reason,
      ...given({ since: stopped || record?.pending !== undefined ? since : undefined }),
    },
  ];
}

function stopReason(workload: Workload | undefined): string {
  if (workload === undefined) return 'its workload is gone';
  return workload.removing === true ? 'is being removed' : 'stopped by an operator';
}

function copyRow(
  state: DesiredState,
  instance: Instance,
  { role, copy }: { readonly role: NonNullable<InstanceRow['role']>; readonly copy: CopyEntry },
): InstanceRow {
  const { workload } = instance;
  const status = copy.status?.value;
  const node = nodeRef(state, copy.node);
  const lost = state.isLost(copy.node);
  const phase = lost ? 'lost' : phaseOf(copy);
  const ports = (workload?.needs.ports ?? []).map(
    ({ hostIp, port, protocol }) => `${hostIp === undefined ? '' : `${hostIp}:`}${port}/${protocol}`,
  );
  const since = lost ? state.nodes.get(copy.node)?.verdict?.lostSince : (status?.since ?? copy.assignment?.value.at);
  return {
    ...rowBase(instance),
    id: `${instance.key}@${copy.node}`,
    phase,
    healthy: !lost && status?.healthy === true,
    health: status?.health ?? 'none',
    node,
    role,
    upToDate: isUpToDate(instance, copy),
    restarts: status?.restarts ?? 0,
    ...given({
      spec: status?.spec,
      since,
      reason: reasonOf(instance, copy, { phase, node, role, held: heldText(state.hold, copy.node) }),
    }),
    ...(status === undefined ? {} : copied(status)),
    ...(role === 'current' && ports.length > 0 ? { ports } : {}),
  };
}

/** It's of the present spec and of the last restart that was ordered, and so is its order. */
function isUpToDate({ workload, key }: Instance, { assignment, status }: CopyEntry): boolean {
  if (workload === undefined || status === undefined) return false;
  const restart = restartOfInstance(workload, key);
  return [status.value, assignment?.value ?? status.value].every(
    (side) => side.spec === workload.spec && side.restart === restart,
  );
}

/** What the node says, unless it hasn't answered the present order to stop. */
function phaseOf({ assignment, status }: CopyEntry): Phase {
  const stopping = assignment?.value.order === 'stop' && status?.value.assignmentRevision !== assignment.modRevision;
  const phase = status?.value.phase;
  if (stopping && phase !== 'stopped' && phase !== 'failed') return 'stopping';
  return phase ?? 'pending';
}

interface CopyFacts {
  readonly phase: Phase;
  readonly node: NodeRef;
  readonly role: InstanceRow['role'];
  /** Why its lost node is not healed. */
  readonly held: string | undefined;
}

function reasonOf(
  { record }: Instance,
  { assignment, status }: CopyEntry,
  { phase, node, role, held }: CopyFacts,
): string | undefined {
  const said = status?.value;
  const action = said?.lastAction?.reason;
  if (phase === 'lost') {
    const waiting = held ?? record?.pending?.reason;
    const lost = `${node.hostname} is lost`;
    return waiting === undefined ? lost : waiting.startsWith(lost) ? waiting : `${lost}: ${waiting}`;
  }
  if (phase === 'stopping' && assignment?.value.order === 'stop') return assignment.value.reason;
  if (said === undefined) return `ordered on ${node.hostname}, which has not answered yet`;
  if (phase === 'failed' && role === 'current' && record?.pending !== undefined) {
    return [said.lastError, record.pending.reason].filter((text) => text !== undefined).join('; ');
  }
  if (phase === 'failed' || phase === 'pending') return said.lastError ?? action;
  if (phase === 'pulling' || phase === 'starting') return said.progress ?? action;
  if (said.loaded === true) return 'loaded: started by its socket, its timer or another unit';
  if (role === 'orphan' || phase === 'orphan') return 'runs, and nothing assigns it here';
  if (phase === 'running' && said.health === 'unhealthy') return 'its health check fails';
  return action;
}

function rowBase({ key }: Instance) {
  const { workload, slot } = splitInstanceKey(key);
  const kind: InstanceRow['kind'] = isUnitName(workload) ? 'unit' : 'container';
  return { key, workload, slot, display: displayName(key), kind };
}

function copied(status: InstanceStatus) {
  const { startedAt, finishedAt, exitCode, lastError, lastAction } = status;
  const { unit, container, pid, addresses, fencingToken, progress, loaded } = status;
  const run = { startedAt, finishedAt, exitCode, lastError, lastAction, fencingToken };
  return given({ ...run, loaded, unit, container, pid, addresses, progress });
}

/** Only what is there: an absent key is not one that is `undefined`. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** A node as people know it. */
export function nodeRef(state: DesiredState, id: NodeId): NodeRef {
  return { id, hostname: state.nodes.get(id)?.record?.hostname ?? id.slice(0, 8) };
}
