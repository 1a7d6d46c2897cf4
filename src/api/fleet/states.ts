import type { DesiredState } from '../../cluster/desired-state.ts';
import { isUnitName, splitInstanceKey } from '../../domain/ids.ts';
import { unitName } from '../../domain/names.ts';
import type { ApiDeps } from '../api-deps.ts';
import type { RouteRequest } from '../route.ts';
import { FleetRefusal, fleetAnswer } from './answers.ts';
import { type Copy, copiesOf, machineIdOf, readAll, readUnit } from './facts.ts';
import { pageOf } from './pages.ts';
import type { FleetUnitState } from './shapes.ts';
import { hashOptions } from './unit-options.ts';
import { readOptions } from './unit-text.ts';

/** `GET /fleet/v1/state?machineID=&unitName=` */
export async function listStates(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const state = await readAll(deps, signal);
  const [machineID = ''] = request.queries('machineID');
  const [wanted = ''] = request.queries('unitName');
  const copies = shownCopies(state).filter(({ key, node }) => {
    return (wanted === '' || unitName(key) === wanted) && (machineID === '' || machineIdOf(state, node) === machineID);
  });
  const { items, ...next } = pageOf(copies, request.queries('nextPageToken'));
  const states = await Promise.all(items.map(async (copy) => describe(deps, state, copy, signal)));
  return fleetAnswer(deps.version, 200, { ...(states.length === 0 ? {} : { states }), ...next });
}

/**
 * `GET /fleet/v1/state/:name`: of a unit that is known there's always one, since fleet's client comes to grief on a 404 here. Of a unit
 * that is nowhere it's what systemd says of a unit that it hasn't got.
 */
export async function getState(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const name = request.param('name');
  const { facts, state } = await readUnit(deps, name, signal);
  const copies = shownCopies(state).filter(({ key }) => unitName(key) === name);
  const copy = copies.find(({ isCurrent }) => isCurrent) ?? copies[0];
  if (copy !== undefined) return fleetAnswer(deps.version, 200, await describe(deps, state, copy, signal));
  if (facts === undefined) throw new FleetRefusal(404, 'unit state does not exist');
  const hash = hashOptions(await readOptions(deps, facts.workloadName, facts.workload.spec, signal));
  const nowhere: FleetUnitState = {
    name,
    hash,
    systemdLoadState: 'not-found',
    systemdActiveState: 'inactive',
    systemdSubState: 'dead',
  };
  return fleetAnswer(deps.version, 200, nowhere);
}

/** The copies of units that systemd has said anything of, in order of their names, then their nodes. */
function shownCopies(state: DesiredState): Copy[] {
  const copies = state
    .names()
    .filter(isUnitName)
    .flatMap((name) => [...state.copiesOf(name).keys()].flatMap((key) => copiesOf(state, key)))
    .filter(({ status }) => status?.value.unit !== undefined);
  const places = new Map(copies.map((copy) => [copy, `${unitName(copy.key)} ${machineIdOf(state, copy.node)}`]));
  return copies.sort((a, b) => ((places.get(a) ?? '') < (places.get(b) ?? '') ? -1 : 1));
}

/** The hash is of the text that this copy has. */
async function describe(
  deps: ApiDeps,
  state: DesiredState,
  { key, node, status, assignment }: Copy,
  signal: AbortSignal,
): Promise<FleetUnitState> {
  const spec = status?.value.spec ?? assignment?.value.spec ?? 0;
  const { load = 'not-found', active = 'inactive', sub = 'dead' } = status?.value.unit ?? {};
  return {
    name: unitName(key),
    hash: hashOptions(await readOptions(deps, splitInstanceKey(key).workload, spec, signal)),
    machineID: machineIdOf(state, node),
    systemdLoadState: load,
    systemdActiveState: active,
    systemdSubState: sub,
  };
}
