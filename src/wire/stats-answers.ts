import type { InstanceKey } from '../domain/ids.ts';
import type { InstanceRow, NodeRef } from './answers.ts';

/** What an instance of a node uses. */
export interface UsageRow {
  readonly key: InstanceKey;
  /** Time on a processor since its control group was made; absent where the machine doesn't count it. */
  readonly cpuMs?: number;
  readonly memoryBytes?: number;
}

/** `GET /v1/node/stats`: what the node that answers, and each instance that runs on it, uses. Two of them make a rate. */
export interface NodeStatsAnswer {
  readonly node: NodeRef;
  /** When it was counted, on a clock of that node that is never set; to be compared with a later answer's. */
  readonly clockMs: number;
  readonly cpus: number;
  /** Time that its processors were busy, since it started. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly memoryTotalBytes: number;
  /** Over the last minute. */
  readonly load: number;
  readonly instances: readonly UsageRow[];
  /** What could not be counted. */
  readonly problems: readonly string[];
}

/** A node that could not be asked. */
export interface SilentNode {
  readonly node: NodeRef;
  readonly problem: string;
}

/** `GET /v1/stats`: the same of every node that is present, and the copies on them. */
export interface StatsAnswer {
  readonly nodes: readonly (NodeStatsAnswer | SilentNode)[];
  readonly rows: readonly InstanceRow[];
  readonly problems: readonly string[];
}
