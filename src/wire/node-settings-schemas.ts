import * as v from 'valibot';
import { AgentError } from '../domain/errors.ts';
import type { DrainRequest, LabelsRequest } from './node-settings-answers.ts';
import { parseBody } from './schemas.ts';

/** Most labels that an operator may set on one node. */
export const LABELS_LIMIT = 100;

/** No drain takes longer. */
const DEADLINE_LIMIT_MS = 366 * 24 * 3_600_000;

const labelKey = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/));
const labelValue = v.pipe(v.string(), v.regex(/^[^\p{Cc}\p{Cf}]{0,256}$/u));
/** One that is there goes, also if it could not be set any more. */
const goneKey = v.pipe(v.string(), v.minLength(1), v.maxLength(512));

/** The body of a drain. */
export const drainSchema: v.GenericSchema<unknown, DrainRequest> = v.strictObject({
  deadlineMs: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(DEADLINE_LIMIT_MS))),
  force: v.exactOptional(v.boolean()),
  keepGlobal: v.exactOptional(v.boolean()),
});

/** The body of a change of labels. */
export const labelsSchema: v.GenericSchema<unknown, LabelsRequest> = v.strictObject({
  set: v.exactOptional(v.record(labelKey, labelValue)),
  remove: v.exactOptional(v.pipe(v.array(goneKey), v.maxLength(LABELS_LIMIT))),
});

/** The body of a drain. */
export function parseDrainRequest(json: unknown): DrainRequest {
  return parseBody(drainSchema, json, 'drain');
}

/** The body of a change of labels. `LIMIT` for too many. */
export function parseLabelsRequest(json: unknown): LabelsRequest {
  const request = parseBody(labelsSchema, json, 'labels');
  refuseTooMany(0, Object.keys(request.set ?? {}).length);
  return request;
}

/** True for what an operator may set as a label's key. */
export function isLabelKey(text: string): boolean {
  return v.is(labelKey, text);
}

/** True for what an operator may set as a label's value. */
export function isLabelValue(text: string): boolean {
  return v.is(labelValue, text);
}

/** True for a change to more labels than an operator may set on one node. Where there were too many, it may leave as many, or fewer. */
export function areTooMany(before: number, count: number): boolean {
  return count > Math.max(before, LABELS_LIMIT);
}

/** Throws `LIMIT` for too many labels. */
export function refuseTooMany(before: number, count: number): void {
  if (!areTooMany(before, count)) return;
  throw new AgentError('LIMIT', `Cannot set ${count} labels on a node: expected at most ${LABELS_LIMIT}`);
}
