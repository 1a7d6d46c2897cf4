import * as v from 'valibot';
import { instanceRow, nodeRef } from './answer-schemas.ts';
import { amount, count, id, list, optional, shape, text, texts } from './answer-shape.ts';
import type { NodeStatsAnswer, SilentNode, StatsAnswer, UsageRow } from './stats-answers.ts';

/** Schemas of what nodes and instances use. */

const usageRow = shape<UsageRow>({ key: id(), cpuMs: optional(amount), memoryBytes: optional(amount) });

export const nodeStatsAnswer = shape<NodeStatsAnswer>({
  node: nodeRef,
  clockMs: amount,
  cpus: count,
  cpuMs: amount,
  memoryBytes: amount,
  memoryTotalBytes: amount,
  load: amount,
  instances: list(usageRow),
  problems: texts,
});

const silentNode = shape<SilentNode>({ node: nodeRef, problem: text });
const nodeFigures: v.GenericSchema<NodeStatsAnswer | SilentNode> = v.union([nodeStatsAnswer, silentNode]);

export const statsAnswer = shape<StatsAnswer>({ nodes: list(nodeFigures), rows: list(instanceRow), problems: texts });
