import { isDeepStrictEqual } from 'node:util';
import type { EventDraft, EventNode, EventType } from '../domain/event.ts';
import type { ClusterSettings, Hold, NodeRecord, NodeSettings, NodeVerdict, Presence } from '../domain/node.ts';
import type { Changed } from './events-changed.ts';

type Tell = (type: EventType, text: string, more?: Partial<EventDraft>) => EventDraft;

function about(node: EventNode): Tell {
  return (type, text, more = {}) => ({ type, subject: node.hostname, text: `${node.hostname} ${text}`, node, ...more });
}

/** What a change of a node's record means. */
export function recordEvents(node: EventNode, { after, isNew }: Changed<NodeRecord>): EventDraft[] {
  const tell = about(node);
  if (after === undefined) return [tell('node.removed', 'is forgotten')];
  return isNew ? [tell('node.joined', 'joined the cluster', { at: after.at })] : [];
}

/** What a change of a node's presence means. `isFirst`: it joins with it. */
export function presenceEvents(
  node: EventNode,
  { before, after, isNew }: Changed<Presence>,
  isFirst: boolean,
): EventDraft[] {
  const tell = about(node);
  if (after === undefined) {
    return [tell('node.gone', before?.state === 'leaving' ? 'has shut down' : 'is gone: its lease has ended')];
  }
  if (isNew) return isFirst && after.state === 'up' ? [] : [tellState(tell, after, 'is back')];
  if (before === undefined) return [];
  if (before.state !== after.state) return [tellState(tell, after, 'is back')];
  const isOther = before.nonce !== after.nonce && after.state === 'up';
  return isOther ? [tell('node.restarted', 'goes on with a new agent')] : [];
}

function tellState(tell: Tell, { state, doubt }: Presence, up: string): EventDraft {
  switch (state) {
    case 'up':
      return tell('node.back', up);
    case 'leaving':
      return tell('node.leaving', 'is shutting down');
    case 'away':
      return tell('node.away', 'has its agent away: what runs there runs on');
    case 'in-doubt':
      return tell('node.in-doubt', `doubts the store${doubt === undefined ? '' : `: ${doubt}`}`, reasonOf(doubt));
  }
}

/** What a change of what operators set on a node means. */
export function settingsEvents(
  node: EventNode,
  { before = unset, after = unset }: Changed<NodeSettings>,
): EventDraft[] {
  const tell = about(node);
  const events: EventDraft[] = [];
  const isRemoving = after.removal !== undefined && before.removal === undefined;
  if (isRemoving)
    events.push(tell('node.removing', 'is to be forgotten: it is gone for good', { at: after.removal?.at }));
  const isRedrained = after.draining && !isDeepStrictEqual(after.drain, before.drain);
  if (isRedrained || (after.draining && !before.draining)) {
    const { since, deadline } = after.drain ?? {};
    const until = deadline === undefined ? '' : `, until ${deadline}`;
    events.push(tell('node.draining', `is to be drained${until}`, { at: before.draining ? undefined : since }));
  } else if (after.cordoned && !before.cordoned) events.push(tell('node.cordoned', 'is cordoned: it gets no new work'));
  if (!after.cordoned && before.cordoned) events.push(tell('node.uncordoned', 'is uncordoned: it gets work again'));
  if (!isDeepStrictEqual(after.labels, before.labels)) {
    const labels = Object.entries(after.labels).map(([key, value]) => `${key}=${value}`);
    events.push(
      tell('node.labelled', labels.length === 0 ? 'has no labels set any more' : `has labels set: ${labels.join(' ')}`),
    );
  }
  return events;
}

const unset: NodeSettings = { cordoned: false, draining: false, labels: {} };

/** What a leader's verdict means. */
export function verdictEvents(node: EventNode, { before, after }: Changed<NodeVerdict>): EventDraft[] {
  const tell = about(node);
  const events: EventDraft[] = [];
  if (after?.lostSince !== undefined && before?.lostSince !== after.lostSince) {
    events.push(tell('node.lost', 'is lost', { at: after.lostSince }));
  }
  if (after?.drainedSince !== undefined && before?.drainedSince !== after.drainedSince) {
    events.push(tell('node.drained', 'is drained: nothing was seen on it any more', { at: after.drainedSince }));
  }
  return events;
}

/** What a change of a hold means. */
export function holdEvents({ before, after, isNew }: Changed<Hold>): EventDraft[] {
  if (after === undefined || (before === undefined && !isNew)) return [];
  const isBegun = after.ended === undefined && (before === undefined || before.ended !== undefined);
  const tell = (type: EventType, text: string, reason: string, at: string): EventDraft => {
    return { type, subject: 'cluster', text, reason, at };
  };
  if (isBegun) {
    const { reason, since, until } = after;
    return [
      tell('hold.begun', `nothing of ${after.nodes.length} nodes is replaced until ${until}: ${reason}`, reason, since),
    ];
  }
  if (after.ended === undefined || before?.ended !== undefined) return [];
  return [tell('hold.ended', `the hold has ended: ${after.ended.reason}`, after.ended.reason, after.ended.at)];
}

/** What a change of the cluster's settings means. */
export function clusterEvents({ before, after }: Changed<ClusterSettings>): EventDraft[] {
  if (after === undefined || before === undefined || after.epoch <= before.epoch) return [];
  const text = `an operator has confirmed the store, from epoch ${after.epoch} on`;
  return [{ type: 'store.confirmed', subject: 'cluster', text }];
}

function reasonOf(reason: string | undefined): Partial<EventDraft> {
  return reason === undefined ? {} : { reason };
}
