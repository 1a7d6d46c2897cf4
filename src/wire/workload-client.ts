import type { WorkloadDocument } from '../domain/document.ts';
import type { AgentError } from '../domain/errors.ts';
import type {
  ApplyAllAnswer,
  ApplyAnswer,
  DesiredAnswer,
  ExplainAnswer,
  WorkloadAnswer,
  WorkloadsAnswer,
} from './answers.ts';
import type { Call, Http } from './http.ts';
import type { ListingFilter } from './listing-filter.ts';
import type { PlanAnswer, PlanRequest } from './plan-answers.ts';
import { parseProblem } from './problem.ts';
import type {
  RestartAnswer,
  RevisionAnswer,
  RevisionsAnswer,
  RollbackAnswer,
  ScaleAnswer,
} from './revision-answers.ts';

/** What a change asks of the workload that it finds: that this is its present spec, that there is any, or none of that name. */
export type SpecCondition = number | 'any' | 'none';

/** Changes of what is desired of one workload. */
export interface WorkloadChanges {
  apply(document: WorkloadDocument, signal: AbortSignal): Promise<ApplyAnswer>;
  start(name: string, signal: AbortSignal): Promise<DesiredAnswer>;
  stop(name: string, signal: AbortSignal): Promise<DesiredAnswer>;
  remove(name: string, signal: AbortSignal): Promise<DesiredAnswer>;
  /** `CONFLICT` for a global workload. */
  scale(name: string, replicas: number, signal: AbortSignal): Promise<ScaleAnswer>;
  /** All instances one after the other; `instance`: only that one. */
  restart(name: string, instance: string | undefined, signal: AbortSignal): Promise<RestartAnswer>;
  /** `to` left out: the last spec that differs from the present one. */
  rollback(name: string, to: number | undefined, signal: AbortSignal): Promise<RollbackAnswer>;
}

/** What is desired. */
export interface WorkloadClient extends WorkloadChanges {
  /** The same changes, each made only where this holds; else they reject with `STALE`. */
  onlyIf(condition: SpecCondition): WorkloadChanges;
  workloads(filter: ListingFilter, signal: AbortSignal): Promise<WorkloadsAnswer>;
  workload(name: string, signal: AbortSignal): Promise<WorkloadAnswer>;
  explain(name: string, signal: AbortSignal): Promise<ExplainAnswer>;
  /** Several in one request: what became of each, in their order; rejects when none could be answered for. */
  applyAll(documents: readonly WorkloadDocument[], signal: AbortSignal): Promise<readonly (ApplyAnswer | AgentError)[]>;
  /** What would happen, were these applied or removed. */
  plan(request: PlanRequest, signal: AbortSignal): Promise<PlanAnswer>;
  revisions(name: string, signal: AbortSignal): Promise<RevisionsAnswer>;
  revision(name: string, spec: number, signal: AbortSignal): Promise<RevisionAnswer>;
}

/** That part of a client. */
export function makeWorkloadClient(http: Pick<Http, 'json'>): WorkloadClient {
  const get = <T>(path: string, signal: AbortSignal) => http.json<T>({ method: 'GET', path }, signal);
  return {
    ...makeChanges(http, {}),
    onlyIf: (condition) => makeChanges(http, conditionHeaders(condition)),
    workloads: (filter, signal) => http.json({ method: 'GET', path: '/v1/workloads', query: { ...filter } }, signal),
    workload: (name, signal) => get(workloadPath(name), signal),
    explain: (name, signal) => get(`${workloadPath(name)}/explain`, signal),
    applyAll: async (documents, signal) => {
      const call = { method: 'POST', path: '/v1/apply', body: { documents } } as const;
      const { outcomes } = await http.json<ApplyAllAnswer>(call, signal);
      return outcomes.map((outcome) => ('problem' in outcome ? parseProblem(outcome.problem, 0) : outcome));
    },
    plan: (request, signal) => http.json({ method: 'POST', path: '/v1/plan', body: request }, signal),
    revisions: (name, signal) => get(`${workloadPath(name)}/revisions`, signal),
    revision: (name, spec, signal) => get(`${workloadPath(name)}/revisions/${spec}`, signal),
  };
}

function makeChanges(http: Pick<Http, 'json'>, headers: Readonly<Record<string, string>>): WorkloadChanges {
  const send = <T>(call: Call, signal: AbortSignal) => http.json<T>({ ...call, headers }, signal);
  const post = <T>(name: string, verb: string, more: Pick<Call, 'body' | 'query'>, signal: AbortSignal) =>
    send<T>({ method: 'POST', path: `${workloadPath(name)}/${verb}`, ...more }, signal);
  return {
    apply: (document, signal) => send({ method: 'PUT', path: workloadPath(document.name), body: document }, signal),
    start: (name, signal) => post(name, 'start', {}, signal),
    stop: (name, signal) => post(name, 'stop', {}, signal),
    remove: (name, signal) => send({ method: 'DELETE', path: workloadPath(name) }, signal),
    scale: (name, replicas, signal) => post(name, 'scale', { body: { replicas } }, signal),
    restart: (name, instance, signal) => post(name, 'restart', { query: { instance } }, signal),
    rollback: (name, to, signal) => post(name, 'rollback', { body: to === undefined ? {} : { to } }, signal),
  };
}

function workloadPath(name: string): string {
  return `/v1/workloads/${encodeURIComponent(name)}`;
}

function conditionHeaders(condition: SpecCondition): Readonly<Record<string, string>> {
  if (condition === 'none') return { 'if-none-match': '*' };
  return { 'if-match': condition === 'any' ? '*' : `"${condition}"` };
}
