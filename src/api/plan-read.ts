import { clusterSettingsCodec } from '../cluster/codecs.ts';
import type { StoreView } from '../cluster/desired-read.ts';
import { AgentError } from '../domain/errors.ts';
import type { ClusterSettings } from '../domain/node.ts';
import type { ForecastInput } from '../leader/forecast.ts';

/** How often it's read again, as it changed between two of its parts. */
const ATTEMPTS = 5;

/** All that a leader plans on. */
export interface PlanBasis {
  readonly kvs: ForecastInput['kvs'];
  readonly settings: ClusterSettings | undefined;
  readonly revision: number;
  /** False: it changed so often that its parts are of different revisions. */
  readonly isOneRevision: boolean;
}

/** Reads all of it at one revision: as all parts say that they are of the same. */
export async function readPlanBasis(store: StoreView, signal: AbortSignal): Promise<PlanBasis> {
  const { kv, layout } = store;
  const { nodes, workloads, instances, assignments, statuses, holds } = layout;
  for (let attempt = 1; ; attempt += 1) {
    const [cluster, ...lists] = await Promise.all([
      kv.get(layout.cluster, signal),
      ...[nodes, workloads, instances, assignments, statuses, holds].map(async (range) => kv.list(range, signal)),
    ]);
    const revisions = [cluster.revision, ...lists.map(({ revision }) => revision)];
    const revision = Math.min(...revisions);
    const isOneRevision = revisions.every((each) => each === revision);
    if (!isOneRevision && attempt < ATTEMPTS) continue;
    return { kvs: lists.flatMap(({ kvs }) => kvs), settings: readSettings(cluster.kv), revision, isOneRevision };
  }
}

function readSettings(kv: ForecastInput['kvs'][number] | undefined): ClusterSettings | undefined {
  if (kv === undefined) return undefined;
  try {
    return clusterSettingsCodec.decode(kv.value, kv.key);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return undefined;
  }
}
