import * as v from 'valibot';
import { instanceKey, nodeRef, problemLine, workloadName } from './answer-schemas.ts';
import { count, flag, list, oneOf, optional, shape, text, texts } from './answer-shape.ts';
import type { FieldChange, PlanAnswer, PlannedInstance, PlannedWorkload } from './plan-answers.ts';

/** Schemas of plans. */

const fieldChange = shape<FieldChange>({ path: text, before: optional(v.unknown()), after: optional(v.unknown()) });

export const plannedInstance = shape<PlannedInstance>({
  key: instanceKey,
  workload: workloadName,
  instance: text,
  action: oneOf('start', 'stop', 'restart', 'move', 'wait'),
  from: optional(nodeRef),
  to: optional(nodeRef),
  reason: text,
  nodes: list(shape<PlannedInstance['nodes'][number]>({ node: nodeRef, reason: text })),
});

export const plannedWorkload = shape<PlannedWorkload>({
  name: workloadName,
  action: oneOf('create', 'change', 'start', 'remove', 'none'),
  spec: optional(count),
  newSpec: flag,
  fields: list(fieldChange),
  instances: list(plannedInstance),
});

export const planAnswer = shape<PlanAnswer>({
  revision: count,
  changes: flag,
  complete: flag,
  workloads: list(v.union([plannedWorkload, problemLine])),
  others: list(plannedInstance),
  warnings: texts,
  problems: texts,
});
