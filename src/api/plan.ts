import { DesiredState } from '../cluster/desired-state.ts';
import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import {
  type InstanceKey,
  type NodeId,
  parseWorkloadName,
  splitInstanceKey,
  type WorkloadName,
} from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import { displayName } from '../domain/names.ts';
import { type Forecast, forecast, type InstanceForecast } from '../leader/forecast.ts';
import { compareSlots } from '../wire/client.ts';
import type { PlanAnswer, PlannedInstance, PlannedWorkload } from '../wire/plan-answers.ts';
import type { ProblemLine } from '../wire/problem.ts';
import { parsePlanRequest } from '../wire/schemas.ts';
import { parseApplied } from './apply.ts';
import { nodeRef } from './copy-rows.ts';
import { makeHeavyWork } from './heavy-work.ts';
import { type PlannedChange, type PlanState, planApply, planRemove } from './plan-changes.ts';
import { type PlanBasis, readPlanBasis } from './plan-read.ts';
import { makeProblem } from './problem-response.ts';
import type { RouteRequest } from './route.ts';

/** So long a forecast may go on; an answer has 20 s. */
const FORECAST_MS = 8_000;

/** What changes may ask for together: a round of the planner lets nobody else have their turn. */
const MOST_INSTANCES = LIMITS.replicas;

type Outcome = PlannedChange | ProblemLine;

/** `POST /v1/plan`: the leader's own planner on the present state, with the changes put in place. Nothing is written. */
export async function plan(request: RouteRequest): Promise<PlanAnswer> {
  const { deps, signal } = request;
  const asked = parsePlanRequest(await request.body());
  const { plans } = deps.heavy ?? makeHeavyWork();
  return plans.take(async () => planNow(request, asked), signal);
}

async function planNow(
  { deps, requestId, signal }: RouteRequest,
  asked: ReturnType<typeof parsePlanRequest>,
): Promise<PlanAnswer> {
  const basis = await readPlanBasis(deps.store, signal);
  const state = new DesiredState(deps.store.layout);
  for (const kv of basis.kvs) state.learn(kv);
  const at = deps.clock.wallTime().toISOString();
  const keys = new Set(basis.kvs.map(({ key }) => key));
  const present: PlanState = { store: deps.store, state, revision: basis.revision, keys, at };
  const outcomes = await planAll(present, asked, requestId, signal);
  const changes = outcomes.flatMap((outcome) => ('problem' in outcome ? [] : [outcome]));
  const foreseen = await forecast(
    {
      layout: deps.store.layout,
      kvs: basis.kvs,
      settings: basis.settings,
      nowIso: at,
      changes: changes.flatMap(({ writes }) => writes),
      workloads: new Set(changes.map(({ planned }) => planned.name)),
      clock: deps.clock,
      limitMs: FORECAST_MS,
    },
    signal,
  );
  return makeAnswer({ basis, state, outcomes, foreseen });
}

async function planAll(
  present: PlanState,
  { documents, remove }: ReturnType<typeof parsePlanRequest>,
  requestId: string,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const names = new Set<WorkloadName>();
  const once = (name: WorkloadName) => {
    if (names.has(name)) throw new AgentError('INVALID_INPUT', `Cannot plan "${name}" twice: expected each name once`);
    names.add(name);
  };
  const count = countInstances(present.state.nodes.size);
  const steps = [
    ...documents.map((json) => async () => {
      const document = parseApplied(json);
      once(document.name);
      const change = await planApply(present, document, signal);
      if (change.writes.length > 0) count(document);
      return change;
    }),
    ...remove.map((text) => async () => {
      const name = parseWorkloadName(text);
      once(name);
      return planRemove(present, name);
    }),
  ];
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    try {
      outcomes.push(await step());
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AgentError) || error.code === 'UNAVAILABLE') throw error;
      outcomes.push({ problem: makeProblem(error, requestId) });
    }
  }
  return outcomes;
}

/** Throws `LIMIT` at the document with which those so far ask for too many. */
function countInstances(nodes: number): (document: WorkloadDocument) => void {
  let instances = 0;
  return ({ name, scale }) => {
    instances += scale.kind === 'replicas' ? scale.replicas : nodes;
    if (instances <= MOST_INSTANCES) return;
    const expected = `expected changes of at most ${MOST_INSTANCES} instances`;
    throw new AgentError('LIMIT', `Cannot plan "${name}" with what is before it: ${expected}`);
  };
}

interface Found {
  readonly basis: PlanBasis;
  readonly state: DesiredState;
  readonly outcomes: readonly Outcome[];
  readonly foreseen: Forecast;
}

function makeAnswer({ basis, state, outcomes, foreseen }: Found): PlanAnswer {
  const all = foreseen.instances.flatMap((instance) => describe(state, instance) ?? []).sort(byInstance);
  const workloads = outcomes.map((outcome): PlannedWorkload | ProblemLine => {
    if ('problem' in outcome) return outcome;
    const { planned } = outcome;
    return { ...planned, instances: all.filter(({ workload }) => workload === planned.name) };
  });
  const own = new Set(workloads.flatMap((each) => ('problem' in each ? [] : [each.name])));
  const others = all.filter(({ workload }) => !own.has(workload));
  return {
    revision: basis.revision,
    changes: workloads.some((each) => !('problem' in each) && each.action !== 'none'),
    complete: foreseen.isComplete,
    workloads,
    others,
    warnings: basis.isOneRevision
      ? []
      : ['the cluster changed while it was read: parts of the plan may be out of date'],
    problems: [...state.problems, ...foreseen.problems.map(problemText)],
  };
}

function problemText({ workload, instance, reason }: Forecast['problems'][number]): string {
  return `${instance === undefined ? workload : displayName(instance)}: ${reason}`;
}

/** Undefined where nothing happens that anybody would notice. */
function describe(state: DesiredState, forecasted: InstanceForecast): PlannedInstance | undefined {
  const { key, before, after, pending } = forecasted;
  const { workload } = splitInstanceKey(key);
  const action = actionOf(forecasted);
  if (action === undefined) return undefined;
  const refs = Object.entries(pending?.nodes ?? {}).map(([node, reason]) => {
    return { node: nodeRef(state, node as NodeId), reason };
  });
  const reason = action === 'wait' ? pending?.reason : (forecasted.reason ?? after?.order.reason);
  return {
    key,
    workload,
    instance: displayName(key),
    action,
    ...(before === undefined ? {} : { from: nodeRef(state, before.node) }),
    ...(after === undefined || action === 'wait' ? {} : { to: nodeRef(state, after.node) }),
    reason: reason ?? '',
    nodes: refs,
  };
}

function actionOf({ before, after, pending }: InstanceForecast): PlannedInstance['action'] | undefined {
  if (pending !== undefined && (after === undefined || after.node === before?.node)) return 'wait';
  if (before === undefined) return after === undefined ? undefined : 'start';
  if (after === undefined) return 'stop';
  if (before.node !== after.node) return 'move';
  const [a, b] = [before.order, after.order];
  const isOther = a.spec !== b.spec || a.disconnect !== b.disconnect || a.restart !== b.restart;
  return isOther ? 'restart' : undefined;
}

function byInstance(a: PlannedInstance, b: PlannedInstance): number {
  const [x, y] = [slotOf(a.key), slotOf(b.key)];
  return a.workload === b.workload ? compareSlots(x, y) : a.workload < b.workload ? -1 : 1;
}

function slotOf(key: InstanceKey): string {
  return splitInstanceKey(key).slot;
}
