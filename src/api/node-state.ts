import { AgentError } from '../domain/errors.ts';
import type { NodeStateAnswer } from '../wire/answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { Nudge } from './nudge.ts';

/** The node that answers, now. */
export function nodeState({ node, cluster, version }: ApiDeps): NodeStateAnswer {
  const { joined, leader, text } = node.state();
  return { node: node.id, hostname: node.hostname, cluster, version, joined, leader, status: text };
}

/** Its state now, then each that differs from the one told last. */
export async function* watchNode(deps: ApiDeps, signal: AbortSignal): AsyncGenerator<NodeStateAnswer> {
  const nudge = new Nudge();
  const cancel = deps.node.onChange(() => nudge.nudge());
  try {
    for (let told = ''; ; await nudge.wait(signal)) {
      signal.throwIfAborted();
      const state = nodeState(deps);
      if (JSON.stringify(state) !== told) yield state;
      told = JSON.stringify(state);
    }
  } finally {
    cancel();
  }
}

/** Throws `UNAVAILABLE`, with what the node is doing, while it can't speak for its cluster. */
export function refuseUnjoined({ node }: ApiDeps): void {
  const { joined, text } = node.state();
  if (!joined)
    throw new AgentError('UNAVAILABLE', `Cannot answer for the cluster: this node has not joined it: ${text}`);
}
