import * as v from 'valibot';
import { AgentError } from '../domain/errors.ts';
import type { DrainRequest, LabelsRequest } from './node-settings-answers.ts';
import { parseBody } from './schemas.ts';

/** Most labels that an operator may set on one node. */
const LABELS_LIMIT = 100;

/** No drain takes longer. */
const DEADLINE_LIMIT_MS = 366 * 24 * 3_600_000;

const labelKey = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/));
const labelValue = v.pipe(v.string(), v.regex(/^[^\p{Cc}\p{Cf}]{0,256}$/u));

/** The body of a drain. */
export const drainSchema: v.GenericSchema<unknown, DrainRequest> = v.strictObject({
  deadlineMs: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(DEADLINE_LIMIT_MS))),
  force: v.exactOptional(v.boolean()),
  keepGlobal: v.exactOptional(v.boolean()),
});

/** The body of a change of labels. */
export const labelsSchema: v.GenericSchema<unknown, LabelsRequest> = v.strictObject({
  set: v.exactOptional(v.record(labelKey, labelValue)),
  remove: v.exactOptional(v.pipe(v.array(labelKey), v.maxLength(LABELS_LIMIT))),
});

/** The body of a drain. */
export function parseDrainRequest(json: unknown): DrainRequest {
  return parseBody(drainSchema, json, 'drain');
}

/** The body of a change of labels. `LIMIT` for too many. */
export function parseLabelsRequest(json: unknown): LabelsRequest {
  const request = parseBody(labelsSchema, json, 'labels');
  refuseTooMany(Object.keys(request.set ?? {}).length);
  return request;
}

/** Throws `LIMIT` for more labels than an operator may set on one node. */
export function refuseTooMany(count: number): void {
  if (count <= LABELS_LIMIT) return;
  throw new AgentError('LIMIT', `Cannot set ${count} labels on a node: expected at most ${LABELS_LIMIT}`);
}
