import * as v from 'valibot';
import type { NodeSettings, NodeVerdict } from '../domain/node.ts';

const text = v.string();
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const isSo = v.exactOptional(v.literal(true));

/** What operators set on a node, as it's stored. */
export const nodeSettingsSchema: v.GenericSchema<unknown, NodeSettings> = v.object({
  cordoned: v.boolean(),
  draining: v.boolean(),
  labels: v.record(text, text),
  drain: v.exactOptional(v.object({ since: text, deadline: v.exactOptional(text), force: isSo, keepGlobal: isSo })),
  removal: v.exactOptional(v.object({ at: text, force: isSo })),
});

/** What leaders find of a node, as it's stored. */
export const nodeVerdictSchema: v.GenericSchema<unknown, NodeVerdict> = v.object({
  lostSince: v.exactOptional(text),
  calmUntil: v.exactOptional(text),
  flaps: v.exactOptional(count),
  drainedSince: v.exactOptional(text),
});
