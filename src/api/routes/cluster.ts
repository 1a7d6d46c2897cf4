import type { VersionAnswer } from '../../wire/answers.ts';
import { getCluster } from '../cluster-routes.ts';
import { confirmRestore, getDoubts } from '../confirm-restore.ts';
import { nodeState } from '../node-state.ts';
import type { Route } from '../route.ts';
import { getStatus, releaseHold } from '../status.ts';

/** The cluster as a whole, and the agent that answers. */
export const clusterRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/version',
    role: 'viewer',
    summary: 'The version of the agent that answers.',
    unjoined: true,
    handle: async ({ deps }) => ({ version: deps.version, api: 'v1' }) satisfies VersionAnswer,
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/status',
    role: 'viewer',
    summary: 'What matters of the cluster, on one screen; also while etcd is away.',
    unjoined: true,
    handle: async ({ deps, signal }) => getStatus(deps, nodeState(deps), signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/cluster',
    role: 'viewer',
    summary: 'Its size, its leader and its revision.',
    handle: async ({ deps, signal }) => getCluster(deps, signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/cluster/doubts',
    role: 'viewer',
    summary: 'Which nodes doubt the store, and why.',
    unjoined: true,
    handle: async ({ deps, signal }) => getDoubts(deps, signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/cluster/confirm-restore',
    role: 'operator',
    summary: 'Says that the store was restored on purpose.',
    unjoined: true, // whoever doubts the store counts as not joined
    handle: async ({ deps, signal }) => confirmRestore(deps, signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/cluster/release-hold',
    role: 'operator',
    summary: 'Has replaced now what a mass loss holds.',
    handle: async ({ deps, signal }) => releaseHold(deps, signal),
  },
];
