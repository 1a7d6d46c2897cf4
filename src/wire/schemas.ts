import * as v from 'valibot';
import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import { NAME_LIMIT_BYTES, parseWorkloadName, type WorkloadName } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import { RETURN_CHOICES } from '../domain/policies.ts';
import type { ReschedulePolicy, RunSpec } from '../domain/spec.ts';
import type { ApplyAllRequest, WatchRequest } from './answers.ts';
import type { PlanRequest } from './plan-answers.ts';
import type { RollbackRequest, ScaleRequest } from './revision-answers.ts';

/** Schemas of what clients send. Stricter than those of stored records: an unknown key is refused, sizes are bounded. */

const text = v.pipe(v.string(), v.maxLength(32_768));
const short = v.pipe(v.string(), v.minLength(1), v.maxLength(512));
const texts = v.pipe(v.array(text), v.maxLength(1_000));
const shorts = v.pipe(v.array(short), v.maxLength(200));
const stringMap = v.record(short, text);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const cpus = v.pipe(v.number(), v.minValue(0.001), v.maxValue(4_096));
const durationMs = v.pipe(count, v.maxValue(24 * 3_600_000));
const policyMs = v.pipe(count, v.maxValue(LIMITS.policyMs));

const name = v.pipe(
  v.string(),
  v.maxLength(NAME_LIMIT_BYTES),
  v.rawTransform<string, WorkloadName>(({ dataset, addIssue, NEVER }) => {
    try {
      return parseWorkloadName(dataset.value);
    } catch (error) {
      addIssue({ message: error instanceof Error ? error.message : 'not a name' });
      return NEVER;
    }
  }),
);

const mount = v.variant('type', [
  v.strictObject({ type: v.literal('bind'), source: short, target: short, readOnly: v.boolean() }),
  v.strictObject({ type: v.literal('volume'), source: short, target: short, readOnly: v.boolean() }),
  v.strictObject({ type: v.literal('tmpfs'), target: short, sizeBytes: v.exactOptional(count) }),
]);

const healthCheck = v.strictObject({
  test: v.union([v.strictObject({ exec: texts }), v.strictObject({ shell: text })]),
  intervalMs: durationMs,
  timeoutMs: durationMs,
  retries: v.pipe(count, v.maxValue(1_000)),
  startPeriodMs: durationMs,
});

const containerSpec = v.strictObject({
  kind: v.literal('container'),
  image: short,
  entrypoint: v.exactOptional(texts),
  command: v.exactOptional(texts),
  environment: stringMap,
  labels: stringMap,
  ports: v.pipe(
    v.array(
      v.strictObject({
        hostIp: v.exactOptional(short),
        hostPort: port,
        containerPort: port,
        protocol: v.picklist(['tcp', 'udp']),
      }),
    ),
    v.maxLength(1_000),
  ),
  mounts: v.pipe(v.array(mount), v.maxLength(200)),
  networkMode: v.exactOptional(short),
  user: v.exactOptional(short),
  workingDir: v.exactOptional(short),
  hostname: v.exactOptional(short),
  memoryBytes: v.exactOptional(count),
  cpus: v.exactOptional(cpus),
  stopSignal: v.exactOptional(short),
  stopGraceMs: durationMs,
  healthCheck: v.exactOptional(healthCheck),
  readOnlyRoot: v.boolean(),
  capAdd: shorts,
  capDrop: shorts,
  extraHosts: shorts,
  logging: v.strictObject({ driver: short, options: stringMap }),
});

const unitSpec = v.strictObject({ kind: v.literal('unit'), text: v.string() });

/** What runs. */
export const runSchema: v.GenericSchema<RunSpec> = v.variant('kind', [containerSpec, unitSpec]);

/** How many instances. */
export const scaleSchema: v.GenericSchema<WorkloadDocument['scale']> = v.variant('kind', [
  v.strictObject({ kind: v.literal('replicas'), replicas: count }),
  v.strictObject({ kind: v.literal('global') }),
]);

/** Where it may run. */
export const placementSchema: v.GenericSchema<WorkloadDocument['placement']> = v.strictObject({
  machineIds: shorts,
  machineOf: shorts,
  labels: v.pipe(v.array(v.strictObject({ key: short, values: v.array(text) })), v.maxLength(200)),
  conflicts: shorts,
  replaces: shorts,
});

/** What becomes of it while its node is cut off. */
export const disconnectSchema: v.GenericSchema<WorkloadDocument['disconnect']> = v.strictObject({
  mode: v.picklist(['keep', 'stop']),
  replaceAfterMs: v.exactOptional(v.union([policyMs, v.literal('never')])),
  onReturn: v.exactOptional(v.picklist(RETURN_CHOICES)),
});

/** When it's tried elsewhere. */
export const rescheduleSchema: v.GenericSchema<ReschedulePolicy | 'never'> = v.union([
  v.literal('never'),
  v.strictObject({ afterRestarts: count, delayMs: policyMs, maxDelayMs: policyMs }),
]);

/** One workload as it's submitted. */
export const documentSchema: v.GenericSchema<unknown, WorkloadDocument> = v.strictObject({
  name,
  run: runSchema,
  scale: scaleSchema,
  placement: placementSchema,
  disconnect: disconnectSchema,
  offlineStart: v.exactOptional(v.boolean()),
  launch: v.exactOptional(v.literal(false)),
  reschedule: v.exactOptional(rescheduleSchema),
  moveOrder: v.picklist(['start-first', 'stop-first']),
  sticky: v.boolean(),
  reserve: v.exactOptional(v.strictObject({ memoryBytes: v.exactOptional(count), cpus: v.exactOptional(cpus) })),
});

/** The body of a plan; its documents are still to be parsed, each by itself. */
export const planSchema: v.GenericSchema<unknown, PlanRequest> = v.strictObject({
  documents: v.exactOptional(v.pipe(v.array(v.unknown()), v.maxLength(1_000))),
  remove: v.exactOptional(v.pipe(v.array(short), v.maxLength(1_000))),
});

/** The body of a watch of several. */
export const watchSchema: v.GenericSchema<unknown, WatchRequest> = v.strictObject({
  names: v.pipe(v.array(name), v.minLength(1), v.maxLength(10_000)),
});

/** The body of an apply of several. */
export const applyAllSchema: v.GenericSchema<unknown, ApplyAllRequest> = v.strictObject({
  documents: v.pipe(v.array(v.unknown()), v.minLength(1), v.maxLength(1_000)),
});

/** The body of a scale. */
export const scaleRequestSchema: v.GenericSchema<unknown, ScaleRequest> = v.strictObject({ replicas: count });

/** The body of a rollback. */
export const rollbackSchema: v.GenericSchema<unknown, RollbackRequest> = v.strictObject({ to: v.exactOptional(count) });

/** The body of an apply. Throws `INVALID_INPUT` naming the field, or `LIMIT` with the number. */
export function parseDocument(json: unknown): WorkloadDocument {
  const document = parseBody(documentSchema, json, 'workload');
  const { run, scale } = document;
  if (run.kind === 'unit') refuseOver(Buffer.byteLength(run.text), LIMITS.unitTextBytes, 'bytes of unit text');
  refuseOver(Buffer.byteLength(JSON.stringify(run)), LIMITS.specBytes, 'bytes of spec');
  if (scale.kind === 'replicas') refuseOver(scale.replicas, LIMITS.replicas, 'replicas');
  return document;
}

/** The body of an apply of several; its documents are still to be parsed, each by itself. */
export function parseApplyAllRequest(json: unknown): ApplyAllRequest {
  return parseBody(applyAllSchema, json, 'apply');
}

/** The body of a scale. */
export function parseScaleRequest(json: unknown): ScaleRequest {
  const request = parseBody(scaleRequestSchema, json, 'scale');
  refuseOver(request.replicas, LIMITS.replicas, 'replicas');
  return request;
}

/** The body of a rollback. */
export function parseRollbackRequest(json: unknown): RollbackRequest {
  return parseBody(rollbackSchema, json, 'rollback');
}

/** The body of a plan; its documents are still to be parsed, each by itself. */
export function parsePlanRequest(json: unknown): Required<PlanRequest> {
  const { documents = [], remove = [] } = parseBody(planSchema, json, 'plan');
  if (documents.length + remove.length > 0) return { documents, remove };
  throw new AgentError('INVALID_INPUT', 'Cannot plan nothing: expected documents, or names to remove');
}

/** The body of a watch. */
export function parseWatchRequest(json: unknown): WatchRequest {
  return parseBody(watchSchema, json, 'watch');
}

function refuseOver(value: number, limit: number, what: string): void {
  if (value > limit) throw new AgentError('LIMIT', `Cannot apply ${value} ${what}: expected at most ${limit}`);
}

/** What a schema makes of a body. Throws `INVALID_INPUT` naming the field and what was expected. */
export function parseBody<T>(schema: v.GenericSchema<unknown, T>, json: unknown, what: string): T {
  const parsed = v.safeParse(schema, json, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  const at = path === null ? '' : ` at "${path.slice(0, 200)}"`;
  const expected =
    issue.type === 'raw_transform' ? `a valid name (${issue.message})` : (issue.expected ?? 'another value');
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot read the ${what}${at}: expected ${expected}, got ${issue.received.slice(0, 100)}`,
  );
}
