import { confirmStore, readStoreDoubts, type StoreDoubts } from '../cluster/confirm-store.ts';
import { readState } from '../cluster/desired-read.ts';
import type { StoreDoubtsAnswer } from '../wire/status-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef } from './copy-rows.ts';

/** `GET /v1/cluster/doubts`: which nodes doubt the store, and why. Also while the node that answers is one of them. */
export async function getDoubts(deps: ApiDeps, signal: AbortSignal): Promise<StoreDoubtsAnswer> {
  const { kv, layout } = deps.store;
  return answerOf(deps, await readStoreDoubts(kv, layout, signal), signal);
}

/** `POST /v1/cluster/confirm-restore`: the store is the right one, as it is. */
export async function confirmRestore(deps: ApiDeps, signal: AbortSignal): Promise<StoreDoubtsAnswer> {
  const { kv, layout } = deps.store;
  const confirmed = await confirmStore(kv, layout, signal);
  deps.log.warn(
    { epoch: confirmed.nextEpoch, line: confirmed.line, nodes: confirmed.doubts.map(({ node }) => node) },
    'store confirmed by an operator',
  );
  return answerOf(deps, confirmed, signal);
}

async function answerOf(deps: ApiDeps, found: StoreDoubts, signal: AbortSignal): Promise<StoreDoubtsAnswer> {
  const { state } = await readState(deps.store, ['nodes'], signal);
  return {
    doubts: found.doubts.map(({ node, reason }) => ({ node: nodeRef(state, node), reason })),
    store: found.line,
    epoch: found.nextEpoch,
  };
}
