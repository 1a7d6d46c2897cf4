import { specCodec, workloadCodec } from '../cluster/codecs.ts';
import { isSameWorkload, makeWorkload, nextNumber } from '../cluster/desired.ts';
import type { StoreView } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { hashSpec } from '../cluster/spec-hash.ts';
import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { StoredSpec, Workload } from '../domain/spec.ts';
import type { ForecastInput } from '../leader/forecast.ts';
import type { PlannedWorkload } from '../wire/plan-answers.ts';
import { diffWorkloads } from './plan-diff.ts';

/** What ordering something would write, and how that reads. */
export interface PlannedChange {
  readonly planned: Omit<PlannedWorkload, 'instances'>;
  readonly writes: ForecastInput['changes'];
}

/** The present state, as far as changes are compared with it. */
export interface PlanState {
  readonly store: StoreView;
  readonly state: DesiredState;
  readonly revision: number;
  /** Everything that is stored, also what can't be read. */
  readonly keys: ReadonlySet<string>;
  readonly at: string;
}

/** What an apply of the document would write. `CONFLICT` for a workload whose record can't be read. */
export async function planApply(
  present: PlanState,
  document: WorkloadDocument,
  signal: AbortSignal,
): Promise<PlannedChange> {
  const { store, revision, at } = present;
  const { name, run } = document;
  const before = recordOf(present, name);
  const spec = before === undefined ? undefined : await readSpec(store, name, before.spec, signal);
  const newSpec = spec?.hash !== hashSpec(run);
  const number = nextNumber(before, newSpec, revision);
  const workload = makeWorkload(document, { number, before, at });
  const old = before === undefined ? undefined : { run: spec?.run, workload: before };
  const fields = diffWorkloads(old, { run, workload });
  const same = before !== undefined && isSameWorkload(before, workload);
  const starts = before !== undefined && (before.desired === 'stop' || before.removing === true);
  const action = before === undefined ? 'create' : starts ? 'start' : same ? 'none' : 'change';
  const writes = same ? [] : [{ put: store.layout.workload(name), value: workloadCodec.encode(workload) }];
  const had = before === undefined ? {} : { spec: before.spec };
  return { planned: { name, action, ...had, newSpec, fields }, writes };
}

/** What a removal would write. `NOT_FOUND` without the workload. */
export function planRemove(present: PlanState, name: WorkloadName): PlannedChange {
  const { store } = present;
  const before = recordOf(present, name);
  if (before === undefined) throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"`);
  const removing: Workload = { ...before, removing: true };
  const same = before.removing === true;
  const writes = same ? [] : [{ put: store.layout.workload(name), value: workloadCodec.encode(removing) }];
  const action = same ? 'none' : 'remove';
  return { planned: { name, action, spec: before.spec, newSpec: false, fields: [] }, writes };
}

function recordOf({ store, state, keys }: PlanState, name: WorkloadName): Workload | undefined {
  const found = state.workloads.get(name);
  if (found === undefined && keys.has(store.layout.workload(name)))
    throw new AgentError('CONFLICT', `Cannot change "${name}": expected to understand its record`);
  return found?.value;
}

/** Specs never change: it doesn't matter when one is read. */
async function readSpec(
  { kv, layout }: StoreView,
  name: WorkloadName,
  number: number,
  signal: AbortSignal,
): Promise<StoredSpec | undefined> {
  const key = layout.spec(name, number);
  const found = await kv.get(key, signal);
  if (found.kv === undefined) return undefined;
  try {
    return specCodec.decode(found.kv.value, key);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return undefined; // counts as another one, as it does to an apply
  }
}
