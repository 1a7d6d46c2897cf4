import type { Http } from './http.ts';
import type {
  DrainProgress,
  DrainRequest,
  LabelsRequest,
  NodeRemovalAnswer,
  NodeSettingsAnswer,
} from './node-settings-answers.ts';

/** What operators want of nodes. A node: its ID, the ID's first digits, or its hostname. */
export interface NodeClient {
  /** No new work for it. */
  cordonNode(node: string, signal: AbortSignal): Promise<NodeSettingsAnswer>;
  /** Work for it again; ends a drain. */
  uncordonNode(node: string, signal: AbortSignal): Promise<NodeSettingsAnswer>;
  /** `CONFLICT` for a label that is the node's own. */
  labelNode(node: string, labels: LabelsRequest, signal: AbortSignal): Promise<NodeSettingsAnswer>;
  drainNode(node: string, request: DrainRequest, signal: AbortSignal): Promise<NodeSettingsAnswer>;
  /** How far a drain is, now. */
  drainProgress(node: string, signal: AbortSignal): Promise<DrainProgress>;
  /** The same now, then whenever it changes; until left. */
  watchDrain(node: string, signal: AbortSignal): AsyncIterable<DrainProgress>;
  /** `CONFLICT` while it's there, or might still run what may run only once. */
  removeNode(node: string, force: boolean, signal: AbortSignal): Promise<NodeRemovalAnswer>;
}

/** That part of a client. */
export function makeNodeClient(http: Pick<Http, 'json' | 'stream'>): NodeClient {
  const pathOf = (node: string, verb: string) => `/v1/nodes/${encodeURIComponent(node)}${verb}`;
  return {
    cordonNode: (node, signal) => http.json({ method: 'POST', path: pathOf(node, '/cordon') }, signal),
    uncordonNode: (node, signal) => http.json({ method: 'POST', path: pathOf(node, '/uncordon') }, signal),
    labelNode: (node, body, signal) => http.json({ method: 'PATCH', path: pathOf(node, '/labels'), body }, signal),
    drainNode: (node, body, signal) => http.json({ method: 'POST', path: pathOf(node, '/drain'), body }, signal),
    drainProgress: (node, signal) => http.json({ method: 'GET', path: pathOf(node, '/drain') }, signal),
    watchDrain: (node, signal) => http.stream({ method: 'GET', path: pathOf(node, '/drain/watch') }, signal),
    removeNode: (node, force, signal) =>
      http.json({ method: 'DELETE', path: pathOf(node, ''), query: { force } }, signal),
  };
}
