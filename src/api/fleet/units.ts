import { markRemoving } from '../../cluster/desired-change.ts';
import type { DesiredState } from '../../cluster/desired-state.ts';
import type { RouteRequest } from '../route.ts';
import { FleetRefusal, fleetAnswer } from './answers.ts';
import { desiredState, type Standing, standingOf } from './current-state.ts';
import { machineIdOf, readAll, readUnit, type UnitFacts, unitsOf } from './facts.ts';
import { pageOf } from './pages.ts';
import { refuseScaled } from './put-unit.ts';
import type { FleetUnit } from './shapes.ts';
import type { FleetOption } from './unit-options.ts';
import { readOptions } from './unit-text.ts';

/** `GET /fleet/v1/units` */
export async function listUnits(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const state = await readAll(deps, signal);
  const { items, ...next } = pageOf(unitsOf(state), request.queries('nextPageToken'));
  const asking = { forStart: false, nowMs: deps.clock.wallTime().getTime() };
  const units = await Promise.all(
    items.map(async (facts) => {
      const options = await readOptions(deps, facts.workloadName, facts.workload.spec, signal);
      const standing = isFleetGlobal(facts, options)
        ? { state: 'inactive' as const }
        : standingOf(state, facts, asking);
      return makeUnit(state, facts, { options, standing });
    }),
  );
  return fleetAnswer(deps.version, 200, { ...(units.length === 0 ? {} : { units }), ...next });
}

/** `GET /fleet/v1/units/:name`: asked by whoever waits for the unit, too. */
export async function getUnit(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const name = request.param('name');
  const { facts, state } = await readUnit(deps, name, signal);
  if (facts === undefined) throw new FleetRefusal(404, 'unit does not exist');
  const options = await readOptions(deps, facts.workloadName, facts.workload.spec, signal);
  if (isFleetGlobal(facts, options)) return fleetAnswer(deps.version, 200, makeUnit(state, facts, { options }));
  const standing = standingOf(state, facts, { forStart: true, nowMs: deps.clock.wallTime().getTime() });
  const wasStopped = desiredState(facts) === 'loaded' && deps.recentStops?.isToldLaunched(name) === true;
  const told = wasStopped ? { ...standing, state: 'launched' as const } : standing;
  return fleetAnswer(deps.version, 200, makeUnit(state, facts, { options, standing: told }));
}

/** fleet's client sees by the options that it's global, and asks for no state of it. A global unit of muster's own has one. */
export function isFleetGlobal({ kind }: UnitFacts, options: readonly FleetOption[]): boolean {
  const last = options.findLast(({ section, name }) => section === 'X-Fleet' && name === 'Global');
  return kind === 'global' && /^"?(true|yes|1|on|t)"?$/i.test(last?.value ?? '');
}

function makeUnit(
  state: DesiredState,
  facts: UnitFacts,
  { options, standing }: { readonly options: readonly FleetOption[]; readonly standing?: Standing },
): FleetUnit {
  return {
    name: facts.name,
    options,
    desiredState: desiredState(facts),
    ...(standing === undefined ? {} : { currentState: standing.state }),
    ...(standing?.node === undefined ? {} : { machineID: machineIdOf(state, standing.node) }),
  };
}

/** `DELETE /fleet/v1/units/:name`: it's gone at once for fleet's clients, and stops meanwhile. */
export async function deleteUnit(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const name = request.param('name');
  const { facts } = await readUnit(deps, name, signal);
  if (facts === undefined) throw new FleetRefusal(404, 'unit does not exist');
  refuseScaled(facts);
  const { changed } = await markRemoving(deps.store, facts.workloadName, {}, signal);
  deps.recentStops?.forget(name);
  if (changed) deps.log.info({ workload: name, order: 'remove', by: 'fleet' }, 'workload ordered');
  return fleetAnswer(deps.version, 204);
}
