import { readState } from '../../cluster/desired-read.ts';
import type { DesiredState } from '../../cluster/desired-state.ts';
import { changeNodeSettings } from '../../cluster/node-settings.ts';
import type { NodeId } from '../../domain/ids.ts';
import type { NodeSettings } from '../../domain/node.ts';
import { areTooMany, LABELS_LIMIT } from '../../wire/node-settings-schemas.ts';
import type { RouteRequest } from '../route.ts';
import { FleetRefusal, fleetAnswer } from './answers.ts';
import { machineIdOf } from './facts.ts';
import { pageOf } from './pages.ts';
import { type MetadataChange, parseMetadataChanges } from './requests.ts';
import type { FleetMachine } from './shapes.ts';

/** `GET /fleet/v1/machines`: the nodes that are there. */
export async function listMachines(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const { state } = await readState(deps.store, ['nodes'], signal);
  const present = [...state.nodes].flatMap(([id, { presence }]) => {
    return presence === undefined || presence.state === 'leaving' ? [] : (makeMachine(state, id) ?? []);
  });
  const sorted = present.sort((a, b) => (a.id < b.id ? -1 : 1));
  const { items, ...next } = pageOf(sorted, request.queries('nextPageToken'));
  return fleetAnswer(deps.version, 200, { ...(items.length === 0 ? {} : { machines: items }), ...next });
}

/** fleet's metadata are a node's labels: its own, and over them those that operators have set. */
function makeMachine(state: DesiredState, id: NodeId): FleetMachine | undefined {
  const { record, settings } = state.nodes.get(id) ?? {};
  if (record === undefined) return undefined;
  const metadata = { ...record.labels, ...settings?.labels };
  return {
    id: record.machineId,
    ...(record.advertise === '' ? {} : { primaryIP: record.advertise }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

/** `PATCH /fleet/v1/machines`: sets and takes away labels of nodes, as an operator would. What a node says of itself stays. */
export async function patchMachines(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const changes = parseMetadataChanges(await request.body('any'));
  const { state } = await readState(deps.store, ['nodes'], signal);
  const byNode = new Map<NodeId, MetadataChange[]>();
  for (const change of changes) {
    const node = findNode(state, change.machine);
    byNode.set(node, [...(byNode.get(node) ?? []), change]);
  }
  for (const [node, own] of byNode) withChanges(state.nodes.get(node)?.settings?.labels ?? {}, own); // all are right, or none is done
  for (const [node, own] of byNode) {
    const change = (before: NodeSettings) => ({ ...before, labels: withChanges(before.labels, own) });
    const { changed } = await changeNodeSettings(deps.store, node, change, signal);
    if (changed) deps.log.info({ node, keys: own.map(({ key }) => key), by: 'fleet' }, 'node labelled');
  }
  return fleetAnswer(deps.version, 204);
}

/** Throws 400 for more labels than muster's own API allows, unless they were as many before. */
function withChanges(
  labels: Readonly<Record<string, string>>,
  changes: readonly MetadataChange[],
): Record<string, string> {
  const all = new Map(Object.entries(labels));
  const before = all.size;
  for (const { key, value } of changes) {
    if (value === undefined) all.delete(key);
    else all.set(key, value);
  }
  if (areTooMany(before, all.size)) {
    throw new FleetRefusal(400, `too many metadata on a machine: expect at most ${LABELS_LIMIT}, not ${all.size}`);
  }
  return Object.fromEntries(all);
}

/** By its raw machine ID or its node ID, whole. */
function findNode(state: DesiredState, machine: string): NodeId {
  const found = [...state.nodes.keys()].find((id) => id === machine || machineIdOf(state, id) === machine);
  if (found !== undefined && state.nodes.get(found)?.record !== undefined) return found;
  throw new FleetRefusal(400, `machine "${machine.slice(0, 100)}" does not exist`);
}
