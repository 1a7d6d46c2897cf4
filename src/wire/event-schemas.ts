import * as v from 'valibot';
import { type ClusterEvent, EVENT_TYPES, type EventNode, type LostEvents } from '../domain/event.ts';
import { instanceKey, nodeId, phase, workloadName } from './answer-schemas.ts';
import { count, id, list, oneOf, optional, shape, text, texts, time } from './answer-shape.ts';
import type { HistoryAnswer, HistoryEntry } from './event-answers.ts';

/** Schemas of what happens, and of what has happened. */

const eventNode = shape<EventNode>({ id: nodeId, hostname: text });

const lostEvents = shape<LostEvents>({
  why: oneOf('slow', 'compacted', 'set-back'),
  count,
  after: count,
  until: count,
});

export const clusterEvent = shape<ClusterEvent>({
  id: id<string>(),
  revision: count,
  at: time,
  atIsAbout: optional(v.literal(true)),
  type: oneOf(...EVENT_TYPES),
  subject: text,
  text,
  workload: optional(workloadName),
  instance: optional(instanceKey),
  node: optional(eventNode),
  from: optional(eventNode),
  to: optional(eventNode),
  reason: optional(text),
  spec: optional(count),
  phase: optional(phase),
  lost: optional(lostEvents),
});

const historyEntry = shape<HistoryEntry>({
  at: time,
  atIsAbout: optional(v.literal(true)),
  instance: instanceKey,
  display: text,
  what: text,
  from: optional(eventNode),
  to: optional(eventNode),
  node: optional(eventNode),
  why: optional(text),
});

export const historyAnswer = shape<HistoryAnswer>({
  name: workloadName,
  entries: list(historyEntry),
  completeFrom: optional(time),
  problems: texts,
});
