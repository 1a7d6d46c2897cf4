import type { InstanceRow } from '../wire/answers.ts';
import type { NodeStatsAnswer, StatsAnswer, UsageRow } from '../wire/stats-answers.ts';

/** A node between two answers. Absent figures are not known. */
export interface NodeRate {
  readonly hostname: string;
  /** Of all its processors together: 0 to 1. */
  readonly cpuShare?: number;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly memoryTotalBytes?: number;
  readonly load?: number;
  /** Instances that run there. */
  readonly instances: number;
  readonly problem?: string;
}

/** An instance between two answers. */
export interface InstanceRate {
  readonly instance: string;
  readonly node: string;
  readonly phase: InstanceRow['phase'];
  /** Of one processor: 1.5 is one and a half of them. */
  readonly cpuShare?: number;
  readonly memoryBytes?: number;
  readonly restarts: number;
}

/** What `muster top` shows. */
export interface Rates {
  readonly nodes: readonly NodeRate[];
  readonly instances: readonly InstanceRate[];
}

/** What was used between two answers. A node or an instance that only the later one knows has no share of a processor yet. */
export function rates(before: StatsAnswer | undefined, now: StatsAnswer): Rates {
  const earlier = new Map(before?.nodes.flatMap((node) => ('problem' in node ? [] : [[node.node.id, node]])));
  const present = now.nodes.flatMap((node) => ('problem' in node ? [] : [[node.node.id, node] as const]));
  const known = new Map(present);
  const nodes = now.nodes.map((node): NodeRate => {
    const { id, hostname } = node.node;
    const instances = now.rows.filter((row) => row.node?.id === id && row.phase === 'running').length;
    return 'problem' in node
      ? { hostname, instances, problem: node.problem }
      : { hostname, instances, ...nodeFigures(earlier.get(id), node) };
  });
  const instances = now.rows.flatMap((row): InstanceRate[] => {
    if (row.node === undefined) return [];
    const { display: instance, phase, restarts } = row;
    const figures = instanceFigures(earlier.get(row.node.id), known.get(row.node.id), row);
    return [{ instance, node: row.node.hostname, phase, restarts, ...figures }];
  });
  return { nodes, instances };
}

function nodeFigures(
  before: NodeStatsAnswer | undefined,
  now: NodeStatsAnswer,
): Omit<NodeRate, 'hostname' | 'instances'> {
  const { cpus, memoryBytes, memoryTotalBytes, load } = now;
  const share = shareOf(before?.cpuMs, now.cpuMs, before, now);
  const cpuShare = share === undefined || cpus === 0 ? {} : { cpuShare: Math.min(1, share / cpus) };
  return { cpus, memoryBytes, memoryTotalBytes, load, ...cpuShare };
}

function instanceFigures(
  before: NodeStatsAnswer | undefined,
  now: NodeStatsAnswer | undefined,
  { key }: InstanceRow,
): Pick<InstanceRate, 'cpuShare' | 'memoryBytes'> {
  const find = (stats: NodeStatsAnswer | undefined): UsageRow | undefined =>
    stats?.instances.find((usage) => usage.key === key);
  const usage = find(now);
  const share = now === undefined ? undefined : shareOf(find(before)?.cpuMs, usage?.cpuMs, before, now);
  return {
    ...(share === undefined ? {} : { cpuShare: share }),
    ...(usage?.memoryBytes === undefined ? {} : { memoryBytes: usage.memoryBytes }),
  };
}

/** Undefined where one of the two isn't known, or where counting began anew between them. */
function shareOf(
  fromMs: number | undefined,
  toMs: number | undefined,
  before: NodeStatsAnswer | undefined,
  now: NodeStatsAnswer,
): number | undefined {
  const passedMs = now.clockMs - (before?.clockMs ?? Number.POSITIVE_INFINITY);
  if (fromMs === undefined || toMs === undefined || toMs < fromMs || !(passedMs > 0)) return undefined;
  return (toMs - fromMs) / passedMs;
}
