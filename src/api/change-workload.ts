import { type Changed, markRemoving, restartWorkload, scaleWorkload, setDesired } from '../cluster/desired-change.ts';
import { readWorkloadState } from '../cluster/desired-read.ts';
import { rollbackWorkload } from '../cluster/desired-rollback.ts';
import { AgentError } from '../domain/errors.ts';
import { parseWorkloadName, type Slot, type WorkloadName } from '../domain/ids.ts';
import type { DesiredAnswer } from '../wire/answers.ts';
import type { RestartAnswer, RollbackAnswer, ScaleAnswer } from '../wire/revision-answers.ts';
import { parseRollbackRequest, parseScaleRequest } from '../wire/schemas.ts';
import type { ApiDeps } from './api-deps.ts';
import { parseConditions } from './conditions.ts';
import { readRows } from './copy-rows.ts';
import { specTag } from './problem-response.ts';
import { rowsNamed } from './resolve-name.ts';
import { Reply, type RouteRequest } from './route.ts';

/** The workload that the path names. */
export function nameOf({ param }: Pick<RouteRequest, 'param'>): WorkloadName {
  return parseWorkloadName(param('name'));
}

/** `POST /v1/workloads/:name/stop|start`, `DELETE /v1/workloads/:name` */
export async function order(request: RouteRequest, what: 'run' | 'stop' | 'remove'): Promise<Reply> {
  const { deps, signal } = request;
  const name = nameOf(request);
  const expected = parseConditions(request);
  const done = await (what === 'remove'
    ? markRemoving(deps.store, name, { expected }, signal)
    : setDesired(deps.store, name, { desired: what, expected }, signal));
  if (done.changed) deps.log.info({ workload: name, order: what }, 'workload ordered');
  return reply(done, desiredAnswer(name, done));
}

/** `POST /v1/workloads/:name/scale` */
export async function scale(request: RouteRequest): Promise<Reply> {
  const { deps, signal } = request;
  const name = nameOf(request);
  const expected = parseConditions(request);
  const { replicas } = parseScaleRequest(await request.body());
  const done = await scaleWorkload(deps.store, name, { replicas, expected }, signal);
  if (done.changed) deps.log.info({ workload: name, replicas }, 'workload scaled');
  const answer: ScaleAnswer = { ...desiredAnswer(name, done), replicas };
  return reply(done, answer);
}

/** `POST /v1/workloads/:name/restart?instance=` */
export async function restart(request: RouteRequest): Promise<Reply> {
  const { deps, signal, query } = request;
  const name = nameOf(request);
  const expected = parseConditions(request);
  const typed = query('instance');
  const instance = typed === undefined ? undefined : await findInstance(deps, name, typed, signal);
  const done = await restartWorkload(deps.store, name, { slot: instance?.slot, expected }, signal);
  deps.log.info({ workload: name, ...(instance === undefined ? {} : { slot: instance.slot }) }, 'restart ordered');
  const answer: RestartAnswer = {
    ...desiredAnswer(name, done),
    ...(instance === undefined ? {} : { instance: instance.key }),
  };
  return reply(done, answer);
}

/** `POST /v1/workloads/:name/rollback` */
export async function rollback(request: RouteRequest): Promise<Reply> {
  const { deps, signal } = request;
  const name = nameOf(request);
  const expected = parseConditions(request);
  const { to } = parseRollbackRequest(await request.body());
  const done = await rollbackWorkload(deps.store, name, { to, expected }, signal);
  if (done.changed) deps.log.info({ workload: name, spec: done.workload.spec, to: done.to }, 'workload rolled back');
  const answer: RollbackAnswer = { ...desiredAnswer(name, done), to: done.to };
  return reply(done, answer);
}

function desiredAnswer(name: WorkloadName, { workload, changed, revision }: Changed): DesiredAnswer {
  const { spec, desired, removing = false } = workload;
  return { name, spec, desired, removing, changed, revision };
}

function reply({ workload }: Changed, answer: DesiredAnswer): Reply {
  return new Reply(answer, 200, { etag: specTag(workload.spec) });
}

/** One instance of the workload, as people type it: its slot, its display name or its key. */
async function findInstance(deps: ApiDeps, name: WorkloadName, typed: string, signal: AbortSignal) {
  const { state } = await readWorkloadState(deps.store, [name], signal);
  const rows = readRows(state, name).map(({ row }) => row);
  const bySlot = rows.filter((row) => row.slot === (typed as Slot));
  const found = bySlot.length > 0 ? bySlot : rowsNamed(rows, typed);
  const keys = new Set(found.map(({ key }) => key));
  const [row] = found;
  if (row !== undefined && keys.size === 1) return row;
  const shown = typed.slice(0, 200);
  throw new AgentError('NOT_FOUND', `Cannot find instance "${shown}" of "${name}": expected its slot or its name`);
}
