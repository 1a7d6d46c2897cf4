import { applyWorkload } from '../../cluster/desired.ts';
import { type Launch, setDesired } from '../../cluster/desired-change.ts';
import { checkDocument, checkPlacement } from '../../domain/check-document.ts';
import type { WorkloadDocument } from '../../domain/document.ts';
import type { AgentError } from '../../domain/errors.ts';
import { isTemplateName, isUnitName, parseWorkloadName } from '../../domain/ids.ts';
import { parseUnitDocument, readUnitPolicies } from '../../input/unit-document.ts';
import type { ApiDeps } from '../api-deps.ts';
import type { RouteRequest } from '../route.ts';
import { FleetRefusal, fleetAnswer } from './answers.ts';
import { desiredState, standingOf } from './current-state.ts';
import { readUnit, templateNameOf, type UnitFacts } from './facts.ts';
import { parsePutUnit } from './requests.ts';
import type { JobState } from './shapes.ts';
import { composeText, type FleetOption, hashOptions, survivesAsText } from './unit-options.ts';
import { readOptions } from './unit-text.ts';

const launches: Readonly<Record<JobState, Launch>> = { inactive: 'stop', loaded: 'load', launched: 'run' };

interface Wish {
  readonly name: string;
  readonly options: readonly FleetOption[];
  readonly desired: JobState | undefined;
}

/** `PUT /fleet/v1/units/:name`: 201 for a new unit or a new text of one, 204 for another desired state of what is there. */
export async function putUnit(request: RouteRequest): Promise<Response> {
  const { deps, signal } = request;
  const name = request.param('name');
  const { name: named = name, options, desired } = parsePutUnit(await request.body());
  if (named !== name) {
    throw new FleetRefusal(400, `name in URL "${name}" differs from unit name in request body "${named}"`);
  }
  const workloadName = parseWorkloadName(name);
  if (!isUnitName(workloadName)) throw new FleetRefusal(400, `unit name "${name}" must end in a type, as ".service"`);
  if (isTemplateName(workloadName) && desired !== undefined && desired !== 'inactive') {
    throw new FleetRefusal(400, `cannot activate template "${name}"`);
  }
  const { facts, state } = await readUnit(deps, name, signal);
  const isNew = facts === undefined || (options.length > 0 && !(await hasOptions(deps, facts, options, signal)));
  if (isNew) {
    await create(deps, { name, options, desired }, facts, signal);
    return fleetAnswer(deps.version, 201);
  }
  if (desired === undefined) throw new FleetRefusal(409, 'must provide DesiredState to update existing unit');
  const asking = { forStart: false, nowMs: deps.clock.wallTime().getTime() };
  const isUp = standingOf(state, facts, asking).state === 'launched';
  await update(deps, facts, { desired, isUp }, signal);
  return fleetAnswer(deps.version, 204);
}

async function hasOptions(
  deps: ApiDeps,
  { workloadName, workload }: UnitFacts,
  options: readonly FleetOption[],
  signal: AbortSignal,
): Promise<boolean> {
  return hashOptions(await readOptions(deps, workloadName, workload.spec, signal)) === hashOptions(options);
}

/** All of a unit is written anew, policies too: whoever writes last has written the whole. */
async function create(
  deps: ApiDeps,
  { name, options, desired = 'inactive' }: Wish,
  facts: UnitFacts | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (options.length === 0) throw new FleetRefusal(409, 'unit does not exist and options field empty');
  if (facts?.kind === 'instance') throw scaledElsewhere(facts);
  if (!survivesAsText(options))
    throw new FleetRefusal(400, 'expected options that a unit file can hold, each in its line');
  const document = makeUnitDocument(name, composeText(options));
  const resolveImage = async () => undefined; // a unit has none
  const applied = await applyWorkload(
    deps.store,
    document,
    { resolveImage, desired: launches[desired], byText: true },
    signal,
  );
  deps.recentStops?.forget(name);
  const { created, workload } = applied;
  deps.log.info({ workload: name, spec: workload.spec, created, desired, by: 'fleet' }, 'workload applied');
}

/** A template only lends its text, also where its instances are to be global: they are units of their own. */
function makeUnitDocument(name: string, text: string): WorkloadDocument {
  if (!isTemplateName(name)) return parseUnitDocument(name, text, { file: name, line: 1 }).document;
  const { policies } = readUnitPolicies(text, name);
  checkPlacement(policies.placement, policies.scale.kind === 'global');
  const scale = { kind: 'replicas', replicas: 1 } as const;
  const document = { name: parseWorkloadName(name), run: { kind: 'unit', text }, ...policies, scale } as const;
  checkDocument(document);
  return document;
}

async function update(
  deps: ApiDeps,
  facts: UnitFacts,
  { desired, isUp }: { readonly desired: JobState; readonly isUp: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { name, workloadName, kind } = facts;
  const before = desiredState(facts);
  if (kind === 'template') return; // desired inactive, and it is
  if (kind === 'instance' && before !== desired) throw scaledElsewhere(facts);
  if (before === desired) return;
  if (desired === 'loaded' && isUp) deps.recentStops?.note(name);
  else deps.recentStops?.forget(name);
  // It was to stop and has not yet: it's to be started anew, not to run on as if nothing had been asked.
  const anew = desired === 'launched' && before === 'loaded' && isUp;
  const { changed } = await setDesired(deps.store, workloadName, { desired: launches[desired], anew }, signal);
  if (changed) deps.log.info({ workload: name, order: launches[desired], by: 'fleet' }, 'workload ordered');
}

/** It's none of fleet's units: the template's workload says how many of it there are. */
function scaledElsewhere({ name }: UnitFacts): AgentError {
  const template = templateNameOf(name) ?? name;
  return new FleetRefusal(
    409,
    `unit "${name}" is an instance of workload "${template}", which muster scales: use muster scale, start and stop`,
  );
}

/** Throws 409 for a unit that only its template's workload can take away. */
export function refuseScaled(facts: UnitFacts): void {
  if (facts.kind === 'instance') throw scaledElsewhere(facts);
}
