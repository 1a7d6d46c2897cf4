import { drain, instanceKey, nodeRef, nodeState, phase, workloadName } from './answer-schemas.ts';
import { count, flag, list, oneOf, optional, shape, text, textMap, texts, time } from './answer-shape.ts';
import type { CertificateAnswer } from './certificate-answers.ts';
import type { DrainProgress, DrainRow, NodeRemovalAnswer, NodeSettingsAnswer } from './node-settings-answers.ts';

/** Schemas of what operators want of nodes, and of how far that is. */

export const nodeSettingsAnswer = shape<NodeSettingsAnswer>({
  node: nodeRef,
  changed: flag,
  revision: count,
  cordoned: flag,
  draining: flag,
  drain: optional(drain),
  labels: textMap,
});

export const certificateAnswer = shape<CertificateAnswer>({ certificate: text });

export const nodeRemovalAnswer = shape<NodeRemovalAnswer>({
  node: nodeRef,
  changed: flag,
  force: flag,
  revision: count,
});

const drainRow = shape<DrainRow>({
  key: instanceKey,
  workload: workloadName,
  instance: text,
  phase,
  state: oneOf('waits', 'moving', 'stopping', 'last', 'blocked'),
  to: optional(nodeRef),
  why: text,
  since: optional(time),
});

export const drainProgress = shape<DrainProgress>({
  node: nodeRef,
  state: nodeState,
  draining: flag,
  drain: optional(drain),
  drained: flag,
  blocked: flag,
  left: list(drainRow),
  staying: texts,
});
