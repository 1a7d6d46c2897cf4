import { readState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { type ChangedSettings, changeNodeSettings } from '../cluster/node-settings.ts';
import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Drain, NodeSettings } from '../domain/node.ts';
import type { DrainRequest, LabelsRequest, NodeSettingsAnswer } from '../wire/node-settings-answers.ts';
import { refuseTooMany } from '../wire/node-settings-schemas.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef } from './copy-rows.ts';
import { resolveNode } from './resolve-name.ts';

/** A drain that says nothing else is to be done by then. */
const DEADLINE_MS = 3_600_000;

/** `POST /v1/nodes/:id/cordon`: it gets no new work, and keeps what it has. */
export async function cordon(deps: ApiDeps, typed: string, signal: AbortSignal): Promise<NodeSettingsAnswer> {
  return change(deps, typed, { what: 'node cordoned', to: (before) => ({ ...before, cordoned: true }) }, signal);
}

/** `POST /v1/nodes/:id/uncordon`: it's as any other node again, whatever was ordered before: a drain ends, a removal too. */
export async function uncordon(deps: ApiDeps, typed: string, signal: AbortSignal): Promise<NodeSettingsAnswer> {
  const to = ({ labels }: NodeSettings): NodeSettings => ({ cordoned: false, draining: false, labels });
  return change(deps, typed, { what: 'node uncordoned', to }, signal);
}

/** `POST /v1/nodes/:id/drain`: it's to be empty. Asked for again, it changes how, and by when. */
export async function drain(
  deps: ApiDeps,
  typed: string,
  { deadlineMs = DEADLINE_MS, force = false, keepGlobal = false }: DrainRequest,
  signal: AbortSignal,
): Promise<NodeSettingsAnswer> {
  const nowMs = deps.clock.wallTime().getTime();
  const to = (before: NodeSettings): NodeSettings => {
    const how: Drain = {
      since: before.drain?.since ?? isoOf(nowMs),
      deadline: isoOf(nowMs + deadlineMs),
      ...(force ? { force } : {}),
      ...(keepGlobal ? { keepGlobal } : {}),
    };
    return { ...before, cordoned: true, draining: true, drain: how };
  };
  return change(deps, typed, { what: 'node to be drained', to }, signal);
}

/** `PATCH /v1/nodes/:id/labels`: sets and takes back the operator's labels, which lie over the node's own. */
export async function setLabels(
  deps: ApiDeps,
  typed: string,
  { set = {}, remove = [] }: LabelsRequest,
  signal: AbortSignal,
): Promise<NodeSettingsAnswer> {
  const both = remove.find((key) => Object.hasOwn(set, key));
  if (both !== undefined) throw new AgentError('INVALID_INPUT', `Cannot both set and remove label "${both}"`);
  const { state } = await readState(deps.store, ['nodes'], signal);
  const own = state.nodes.get(resolveNode(state, typed))?.record?.labels ?? {};
  const to = (before: NodeSettings): NodeSettings => {
    const labels = new Map(Object.entries({ ...before.labels, ...set }));
    for (const key of remove) {
      if (!labels.delete(key) && Object.hasOwn(own, key)) throw ownLabel(key);
    }
    refuseTooMany(Object.keys(before.labels).length, labels.size);
    return { ...before, labels: Object.fromEntries([...labels].sort(([a], [b]) => (a < b ? -1 : 1))) };
  };
  return change(deps, typed, { what: 'node labelled', to }, signal);
}

async function change(
  deps: ApiDeps,
  typed: string,
  { what, to }: { readonly what: string; readonly to: (before: NodeSettings) => NodeSettings },
  signal: AbortSignal,
): Promise<NodeSettingsAnswer> {
  const { state } = await readState(deps.store, ['nodes'], signal);
  const node = resolveNode(state, typed);
  const done = await changeNodeSettings(deps.store, node, to, signal);
  if (done.changed) deps.log.info({ node }, what);
  return answerOf(state, node, done);
}

function answerOf(state: DesiredState, node: NodeId, { settings, changed, revision }: ChangedSettings) {
  const { removal: _notTold, ...told } = settings;
  return { node: nodeRef(state, node), changed, revision, ...told };
}

function ownLabel(key: string): AgentError {
  return new AgentError(
    'CONFLICT',
    `Cannot remove label "${key}": it is the node's own, from its configuration; expected one that an operator has set`,
  );
}

function isoOf(ms: number): string {
  return Temporal.Instant.fromEpochMilliseconds(ms).toString({ fractionalSecondDigits: 3 });
}
