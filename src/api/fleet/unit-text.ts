import { specCodec } from '../../cluster/codecs.ts';
import type { WorkloadName } from '../../domain/ids.ts';
import type { ApiDeps } from '../api-deps.ts';
import { type FleetOption, parseOptions } from './unit-options.ts';

/** The options of a unit's spec; none where it's gone by now, or is no unit's. */
export async function readOptions(
  { store }: Pick<ApiDeps, 'store'>,
  workload: WorkloadName,
  spec: number,
  signal: AbortSignal,
): Promise<FleetOption[]> {
  const key = store.layout.spec(workload, spec);
  const { kv } = await store.kv.get(key, signal);
  if (kv === undefined) return [];
  const { run } = specCodec.decode(kv.value, key);
  return run.kind === 'unit' ? parseOptions(run.text) : [];
}
