import type { Move } from '../../../src/domain/spec.ts';
import type { LabNode } from '../lab-node.ts';
import type { Cluster } from './cluster.ts';

/** An instance's record, as the leader last wrote it. */
export interface Record {
  readonly moves: readonly Move[];
  readonly pending?: { readonly since: string; readonly reason: string };
  readonly failing?: { readonly moves: number };
}

/** The record of one instance: `web/0`. */
export async function readRecord(cluster: Cluster, instance: string): Promise<Record> {
  const stored = await cluster.store.get(`${cluster.root}instances/${instance}`);
  return stored === undefined ? { moves: [] } : (JSON.parse(stored.value) as Record);
}

/** The name of the node where a workload's only instance is current and well; throws what it is instead. */
export async function homeOf(cluster: Cluster, workload: string, asked?: LabNode): Promise<string> {
  const rows = await cluster.rows(workload, asked);
  const row = rows.find(({ role }) => role === 'current');
  if (row?.healthy === true && row.phase === 'running') return row.node?.hostname ?? '';
  throw new Error(`${workload}: ${JSON.stringify(rows.map(({ phase, role, reason }) => [phase, role, reason]))}`);
}
