import { readState } from '../cluster/desired-read.ts';
import { readNodeWork, watchNodeWork } from '../cluster/node-work.ts';
import { errorCodeOf } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { DrainProgress } from '../wire/node-settings-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { drainProgress } from './drain-progress.ts';
import { Nudge } from './nudge.ts';
import { resolveNode } from './resolve-name.ts';

/** Changes that follow each other more quickly than this are told as one. */
const PAUSE_MS = 200;

/** `GET /v1/nodes/:id/drain` */
export async function getDrain(deps: ApiDeps, typed: string, signal: AbortSignal): Promise<DrainProgress> {
  const node = await find(deps, typed, signal);
  return drainProgress((await readNodeWork(deps.store, node, signal)).state, node);
}

/** `GET /v1/nodes/:id/drain/watch`: its progress now, then whenever it changes. However slow the client, it gets the newest next. */
export async function watchDrain(
  deps: ApiDeps,
  typed: string,
  signal: AbortSignal,
): Promise<AsyncIterable<DrainProgress>> {
  return follow(deps, await find(deps, typed, signal), signal);
}

async function* follow({ store, clock }: ApiDeps, node: NodeId, signal: AbortSignal): AsyncGenerator<DrainProgress> {
  using stop = new ChildAbort(signal);
  const nudge = new Nudge();
  let following: Promise<void> | undefined;
  try {
    for (let told = ''; ; ) {
      const read = await unlessAway(readNodeWork(store, node, stop.signal));
      following ??= read && watchNodeWork(store, node, read.revision + 1, () => nudge.nudge(), stop.signal);
      const progress = read && drainProgress(read.state, node);
      const text = JSON.stringify(progress);
      if (progress !== undefined && text !== told) yield progress;
      told = text;
      await clock.sleep(PAUSE_MS, stop.signal);
      if (read !== undefined) await nudge.wait(stop.signal);
      signal.throwIfAborted();
    }
  } finally {
    stop.abort();
    await following?.catch(() => undefined); // what ended it is told by the next read
  }
}

/** Undefined while the store doesn't answer: the client waits for it too. */
async function unlessAway<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    return undefined;
  }
}

async function find({ store }: ApiDeps, typed: string, signal: AbortSignal): Promise<NodeId> {
  const { state } = await readState(store, ['nodes'], signal);
  return resolveNode(state, typed);
}
