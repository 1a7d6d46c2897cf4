import { desiredFields, instanceKey, workloadName } from './answer-schemas.ts';
import { count, flag, list, oneOf, optional, shape, text, time } from './answer-shape.ts';
import type {
  RestartAnswer,
  RevisionAnswer,
  RevisionRow,
  RevisionsAnswer,
  RollbackAnswer,
  ScaleAnswer,
} from './revision-answers.ts';
import { runSchema } from './schemas.ts';

/** Schemas of changes of workloads, and of what they were. */

export const scaleAnswer = shape<ScaleAnswer>({ ...desiredFields, replicas: count });

export const restartAnswer = shape<RestartAnswer>({ ...desiredFields, instance: optional(instanceKey) });

export const rollbackAnswer = shape<RollbackAnswer>({ ...desiredFields, to: count });

export const revisionRow = shape<RevisionRow>({
  spec: count,
  present: flag,
  kind: oneOf('container', 'unit'),
  hash: text,
  at: optional(time),
  image: optional(text),
  resolvedImage: optional(text),
  rollbackTo: optional(count),
});

export const revisionsAnswer = shape<RevisionsAnswer>({ name: workloadName, revisions: list(revisionRow) });

export const revisionAnswer = shape<RevisionAnswer>({ name: workloadName, revision: revisionRow, run: runSchema });
