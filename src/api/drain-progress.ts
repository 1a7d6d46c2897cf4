import type { CopyEntry, DesiredState } from '../cluster/desired-state.ts';
import { type InstanceKey, type NodeId, splitInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { NodeSettings } from '../domain/node.ts';
import type { InstanceRecord } from '../domain/spec.ts';
import type { Phase } from '../domain/status.ts';
import type { DrainProgress, DrainRow } from '../wire/node-settings-answers.ts';
import { nodeRef } from './copy-rows.ts';

/** A copy on the node, with what there is to say about it. */
interface Leaving {
  readonly state: DesiredState;
  readonly node: NodeId;
  readonly key: InstanceKey;
  readonly copy: CopyEntry;
  readonly record: InstanceRecord | undefined;
}

/**
 * How far a node is from being empty, by what its agent reported: an order to stop, or none at all, is no proof that nothing runs.
 * What it reported before it was lost counts until it's back, or removed.
 */
export function drainProgress(state: DesiredState, node: NodeId): DrainProgress {
  const { settings, presence, record } = state.nodes.get(node) ?? {};
  const copies = copiesOn(state, node);
  const staying = copies.filter((each) => stays(each, settings));
  const left = copies.filter((each) => !stays(each, settings)).map((each) => describe(each, copies));
  const draining = settings?.draining === true;
  return {
    node: nodeRef(state, node),
    state: presence?.state ?? 'lost',
    draining,
    ...(settings?.drain === undefined ? {} : { drain: settings.drain }),
    drained: draining && record !== undefined && left.length === 0,
    blocked: left.length > 0 && left.every((row) => row.state === 'blocked' || row.state === 'last'),
    left,
    staying: staying.map(({ key }) => displayName(key)),
  };
}

/** What is ordered there, and what was seen there without an order. */
function copiesOn(state: DesiredState, node: NodeId): Leaving[] {
  const found: Leaving[] = [];
  for (const name of state.names()) {
    for (const [key, copies] of state.copiesOf(name)) {
      const copy = copies.get(node);
      const isGone = copy?.assignment === undefined && ['stopped', 'failed'].includes(copy?.status?.value.phase ?? '');
      if (copy !== undefined && !isGone)
        found.push({ state, node, key, copy, record: state.instancesOf(name).get(key) });
    }
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function stays({ key, node }: Leaving, settings: NodeSettings | undefined): boolean {
  return settings?.drain?.keepGlobal === true && isGlobal(key, node);
}

function isGlobal(key: InstanceKey, node: NodeId): boolean {
  return (splitInstanceKey(key).slot as string) === node;
}

function describe(leaving: Leaving, all: readonly Leaving[]): DrainRow {
  const { state, key, copy, record, node } = leaving;
  const other = record?.copies.find((each) => each.role === 'current' && each.node !== node)?.node;
  const { since } = copy.status?.value ?? {};
  return {
    key,
    workload: splitInstanceKey(key).workload,
    instance: displayName(key),
    phase: phaseOf(copy),
    ...stateOf(leaving, other, all),
    ...(other === undefined ? {} : { to: nodeRef(state, other) }),
    ...(since === undefined ? {} : { since }),
  };
}

function stateOf(
  { state, node, key, copy, record }: Leaving,
  other: NodeId | undefined,
  all: readonly Leaving[],
): Pick<DrainRow, 'state' | 'why'> {
  const host = nodeRef(state, node).hostname;
  if (state.isLost(node)) {
    return { state: 'blocked', why: `${host} is lost: nobody can see what runs there until it is back, or removed` };
  }
  if (copy.assignment === undefined) return { state: 'blocked', why: 'runs there, and nothing orders it' };
  if (copy.assignment.value.order === 'stop') return { state: 'stopping', why: copy.assignment.value.reason };
  if (other !== undefined)
    return { state: 'moving', why: `its new copy on ${nodeRef(state, other).hostname} is not healthy yet` };
  if (record?.pending !== undefined) return { state: 'blocked', why: record.pending.reason };
  if (!isGlobal(key, node)) return { state: 'waits', why: 'waits for its turn' };
  const isLast = all.some((each) => !isGlobal(each.key, node));
  return isLast
    ? { state: 'last', why: 'is global: goes when all others have' }
    : { state: 'waits', why: 'is about to stop' };
}

function phaseOf({ assignment, status }: CopyEntry): Phase {
  const said = status?.value;
  if (said === undefined) return 'pending';
  const isStopping = assignment?.value.order === 'stop' && said.assignmentRevision !== assignment.modRevision;
  return isStopping && said.phase !== 'stopped' && said.phase !== 'failed' ? 'stopping' : said.phase;
}
