import { AgentError } from '../domain/errors.ts';
import { splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { Write } from '../etcd/port.ts';
import { specCodec } from './codecs.ts';
import { readMissing, type StoreView } from './desired-read.ts';
import { DesiredState } from './desired-state.ts';

/** How many specs of a workload are kept, besides those that an assignment still refers to. */
const KEPT_SPECS = 10;

/** Most specs deleted with one change. */
const PRUNED_AT_ONCE = 50;

/** The specs of a workload by number, oldest first. One that can't be read is left out: it counts as another spec. */
export async function readSpecs(
  { kv, layout }: StoreView,
  name: WorkloadName,
  signal: AbortSignal,
): Promise<Map<number, StoredSpec>> {
  const { kvs } = await kv.list(layout.specsOf(name), signal);
  const specs = new Map<number, StoredSpec>();
  for (const { key, value } of kvs) {
    try {
      const spec = specCodec.decode(value, key);
      specs.set(spec.number, spec);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
    }
  }
  return new Map([...specs].sort(([a], [b]) => a - b));
}

/**
 * Deletes of the specs that are too many once one more is written, but for those that an assignment refers to. No assignment
 * begins to refer to an old one, so that nothing need be compared.
 */
export async function planSpecPruning(
  store: StoreView,
  name: WorkloadName,
  numbers: readonly number[],
  signal: AbortSignal,
): Promise<Write[]> {
  const old = numbers.slice(0, Math.max(0, numbers.length + 1 - KEPT_SPECS)).slice(0, PRUNED_AT_ONCE);
  if (old.length === 0) return [];
  const referenced = await readReferencedSpecs(store, name, signal);
  return old.filter((number) => !referenced.has(number)).map((number) => ({ delete: store.layout.spec(name, number) }));
}

async function readReferencedSpecs(store: StoreView, name: WorkloadName, signal: AbortSignal): Promise<Set<number>> {
  const state = new DesiredState(store.layout);
  const { kvs } = await store.kv.list(`${store.layout.instances}${name}/`, signal);
  for (const kv of kvs) state.learn(kv);
  await readMissing(store, state, [name], signal);
  const referenced = new Set<number>();
  for (const [key, copies] of state.copiesOf(name)) {
    if (splitInstanceKey(key).workload !== name) continue;
    for (const { assignment, status } of copies.values()) {
      if (assignment !== undefined) referenced.add(assignment.value.spec);
      if (status !== undefined) referenced.add(status.value.spec);
    }
  }
  return referenced;
}
