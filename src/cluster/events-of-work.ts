import { isDeepStrictEqual } from 'node:util';
import type { EventDraft, EventNode, EventType } from '../domain/event.ts';
import { type InstanceKey, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { InstanceRecord, Move, Workload } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';
import type { Changed } from './events-changed.ts';

/** What a change of a workload's record means. */
export function workloadEvents(name: WorkloadName, { before, after, isNew }: Changed<Workload>): EventDraft[] {
  const about = { subject: name, workload: name };
  if (after === undefined) return [{ ...about, type: 'workload.removed', text: `${name} is removed` }];
  const tell = (type: EventType, text: string): EventDraft => ({
    ...about,
    type,
    text,
    spec: after.spec,
    at: after.changedAt,
  });
  if (isNew) return [tell('workload.applied', `${name} applied, spec ${after.spec}, ${describeScale(after)}`)];
  if (before === undefined) return [tell('workload.changed', `${name} changed`)];
  const events: EventDraft[] = [];
  if (after.removing === true && before.removing !== true)
    events.push(tell('workload.removing', `${name} is to be removed`));
  if (after.removing !== true && before.removing === true)
    events.push(tell('workload.applied', `${name} is to stay after all`));
  if (after.desired !== before.desired) {
    const isRun = after.desired === 'run';
    events.push(tell(isRun ? 'workload.started' : 'workload.stopped', `${name} is to ${isRun ? 'run' : 'stop'}`));
  }
  if (after.spec !== before.spec)
    events.push(tell('workload.changed', `${name} changed, spec ${before.spec} to ${after.spec}`));
  if (!isDeepStrictEqual(after.scale, before.scale)) {
    events.push(tell('workload.scaled', `${name} scaled from ${describeScale(before)} to ${describeScale(after)}`));
  }
  const isOther = events.length === 0 && !isDeepStrictEqual({ ...before, changedAt: '' }, { ...after, changedAt: '' });
  return isOther ? [tell('workload.changed', `${name} changed: ${changedParts(before, after).join(', ')}`)] : events;
}

/** What a change of an instance's record means: where it went, and why it waits. */
export function instanceEvents(
  key: InstanceKey,
  { before, after, isNew }: Changed<InstanceRecord>,
  nodeOf: (id: string) => EventNode,
): EventDraft[] {
  if (after === undefined || (before === undefined && !isNew)) return [];
  const known = new Set(before?.moves.map((move) => JSON.stringify(move)));
  const moves = after.moves.filter((move) => !known.has(JSON.stringify(move)));
  const events = moves.map((move) => moveEvent(key, move, nodeOf));
  const { pending } = after;
  if (pending !== undefined && pending.reason !== before?.pending?.reason) {
    const { reason, since } = pending;
    const at = before?.pending === undefined ? since : undefined;
    const text = `${displayName(key)} waits: ${reason}`;
    events.push({ ...instanceOf(key), type: 'instance.pending', text, reason, at });
  }
  return events;
}

/** What a node's report of an instance means. */
export function statusEvents(
  key: InstanceKey,
  node: EventNode,
  { before, after, isNew }: Changed<InstanceStatus>,
): EventDraft[] {
  if (after === undefined || (before === undefined && !isNew)) return [];
  const name = displayName(key);
  const { phase, since, spec } = after;
  const about = { ...instanceOf(key), node, phase, spec };
  const tell = (type: EventType, text: string, reason?: string): EventDraft => {
    return { ...about, type, text: `${name} ${text}`, ...(reason === undefined ? {} : { reason }), at: since };
  };
  const events: EventDraft[] = [];
  const isNewRun = phase === 'running' && (before?.phase !== 'running' || before.startedAt !== after.startedAt);
  if (isNewRun) events.push(tell('instance.started', `started on ${node.hostname}`, after.lastAction?.reason));
  if (phase === 'running' && after.healthy && before?.healthy !== true) {
    events.push({ ...tell('instance.healthy', `is healthy on ${node.hostname}`), at: undefined });
  }
  if (phase === 'running' && after.health === 'unhealthy' && before?.health !== 'unhealthy') {
    const { lastError } = after;
    const text = `is unhealthy on ${node.hostname}${because(lastError)}`;
    events.push({ ...tell('instance.unhealthy', text, lastError), at: undefined });
  }
  if (phase === 'failed' && (before?.phase !== 'failed' || before.finishedAt !== after.finishedAt)) {
    events.push(tell('instance.failed', `failed on ${node.hostname}${because(after.lastError)}`, after.lastError));
  }
  if (phase === 'stopped' && before?.phase !== 'stopped') {
    const reason = after.lastAction?.reason;
    events.push(tell('instance.stopped', `stopped on ${node.hostname}${because(reason)}`, reason));
  }
  return events;
}

/** A move as people read it. */
export function moveEvent(
  key: InstanceKey,
  { from, to, reason, at }: Move,
  nodeOf: (id: string) => EventNode,
): EventDraft {
  const ends = {
    ...(from === undefined ? {} : { from: nodeOf(from) }),
    ...(to === undefined ? {} : { to: nodeOf(to) }),
  };
  const [was, is] = [ends.from?.hostname ?? '', ends.to?.hostname ?? ''];
  const type = from === undefined ? 'instance.placed' : to === undefined ? 'instance.left' : 'instance.moved';
  const told = {
    'instance.placed': `placed on ${is}`,
    'instance.left': `left ${was}`,
    'instance.moved': `moved from ${was} to ${is}`,
  };
  return { ...instanceOf(key), type, text: `${displayName(key)} ${told[type]}: ${reason}`, reason, ...ends, at };
}

function instanceOf(key: InstanceKey) {
  return { subject: displayName(key), workload: splitInstanceKey(key).workload, instance: key };
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`;
}

function describeScale({ scale }: Workload): string {
  if (scale.kind === 'global') return 'one on every matching node';
  return scale.replicas === 1 ? '1 replica' : `${scale.replicas} replicas`;
}

/** The names of what differs, as the record has them. */
function changedParts(before: Workload, after: Workload): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Workload>;
  names.delete('changedAt');
  return [...names].filter((name) => !isDeepStrictEqual(before[name], after[name])).sort();
}
