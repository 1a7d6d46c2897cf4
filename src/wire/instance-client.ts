import type { ExecChannel } from './exec-client.ts';
import type { ExecStart } from './exec-frames.ts';
import type { Http } from './http.ts';
import type { ListingFilter } from './listing-filter.ts';
import type { LogEntry, LogQuery } from './log-answers.ts';
import type { StatsAnswer } from './stats-answers.ts';
import type { ClientTarget } from './target.ts';

/** What operators want of what runs. */
export interface InstanceClient {
  /**
   * What a workload's instances wrote, or one of them where a slot is given, as many lines at once as came together; `CONFLICT` naming
   * the node that can't be asked.
   */
  logs(
    query: LogQuery & { readonly workload: string; readonly slot?: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly LogEntry[]>;
  /** What nodes and instances use now: two answers make a rate. */
  stats(filter: ListingFilter, signal: AbortSignal): Promise<StatsAnswer>;
  /** Runs a command beside an instance; it ends with the signal. Rejects where it can't be run. */
  exec(
    query: { readonly workload: string; readonly slot: string },
    start: ExecStart,
    signal: AbortSignal,
  ): Promise<ExecChannel>;
}

/** That part of a client. `timeoutMs`: how long a command may take to begin. */
export function makeInstanceClient(
  http: Pick<Http, 'json' | 'batches'>,
  target: ClientTarget,
  timeoutMs: number,
): InstanceClient {
  const pathOf = (workload: string, slot: string, verb: string) =>
    `/v1/instances/${encodeURIComponent(workload)}/${encodeURIComponent(slot)}/${verb}`;
  return {
    logs: ({ workload, slot, tail, since, follow }, signal) => {
      const ofAll = `/v1/workloads/${encodeURIComponent(workload)}/logs`;
      const path = slot === undefined ? ofAll : pathOf(workload, slot, 'logs');
      return http.batches({ method: 'GET', path, query: { tail, since, follow } }, signal);
    },
    stats: (filter, signal) => http.json({ method: 'GET', path: '/v1/stats', query: { ...filter } }, signal),
    exec: async ({ workload, slot }, start, signal) => {
      const { openExec } = await import('./exec-client.ts'); // ws is heavy, and few commands need it
      return openExec({ target, path: pathOf(workload, slot, 'exec'), timeoutMs }, start, signal);
    },
  };
}
