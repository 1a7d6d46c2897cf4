import { AgentError } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import { deriveNeeds } from '../domain/needs.ts';
import type { StoredSpec, Workload } from '../domain/spec.ts';
import { specCodec, workloadCodec } from './codecs.ts';
import { labelsOf } from './desired.ts';
import { type Changed, commitWorkload, type Expecting, readWorkload, retryLost } from './desired-change.ts';
import type { StoreView } from './desired-read.ts';
import { planSpecPruning, readSpecs } from './desired-specs.ts';
import { checkExpected } from './expected-spec.ts';

/** What a rollback did. */
export interface RolledBack extends Changed {
  /** The spec that it brought back. */
  readonly to: number;
}

/**
 * Makes an earlier spec the present one, under a new number, and has the workload run; its scale, placement and policies stay. `to`
 * left out: the last one that differs. `NOT_FOUND` without the workload or that spec.
 */
export async function rollbackWorkload(
  store: StoreView,
  name: WorkloadName,
  { to, expected }: Expecting & { readonly to?: number | undefined },
  signal: AbortSignal,
): Promise<RolledBack> {
  return retryLost(name, async () => {
    const [found, specs] = await Promise.all([readWorkload(store, name, signal), readSpecs(store, name, signal)]);
    const { workload: before, modRevision, revision: readAt } = found;
    if (before === undefined) throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"`);
    checkExpected(name, before, expected);
    const target = chooseSpec(name, before, specs, to);
    const isPresent = target.number === before.spec || target.hash === specs.get(before.spec)?.hash;
    if (isPresent && before.desired === 'run' && before.launch === undefined && before.removing !== true)
      return { workload: before, changed: false, revision: readAt, to: target.number };
    const at = store.clock.wallTime().toISOString();
    const spec = { ...target, number: before.spec + 1, at, rollbackTo: target.number };
    const after = rolledBack(before, spec, at);
    const writes = [
      { put: store.layout.workload(name), value: workloadCodec.encode(after) },
      { put: store.layout.spec(name, spec.number), value: specCodec.encode(spec) },
      ...(await planSpecPruning(store, name, [...specs.keys()], signal)),
    ];
    const revision = await commitWorkload(store, name, { modRevision, writes }, signal);
    return revision === undefined ? undefined : { workload: after, changed: true, revision, to: target.number };
  });
}

function rolledBack(before: Workload, spec: StoredSpec, at: string): Workload {
  const { removing: _, labels: __, launch: ___, ...kept } = before;
  return {
    ...kept,
    spec: spec.number,
    desired: 'run',
    needs: spec.needs ?? deriveNeeds({ run: spec.run }),
    ...labelsOf(spec.run),
    changedAt: at,
  };
}

function chooseSpec(
  name: WorkloadName,
  { spec: present }: Workload,
  specs: ReadonlyMap<number, StoredSpec>,
  to: number | undefined,
): StoredSpec {
  const hash = specs.get(present)?.hash;
  const earlier = [...specs.values()].filter((spec) => spec.number < present && spec.hash !== hash);
  const target = to === undefined ? earlier.at(-1) : specs.get(to);
  if (target !== undefined) return target;
  const kept = [...specs.keys()].join(', ');
  const shown = to === undefined ? `Cannot roll back "${name}"` : `Cannot roll back "${name}" to spec ${to}`;
  throw new AgentError(
    'NOT_FOUND',
    `${shown}: expected an earlier spec that is kept, there is ${kept === '' ? 'none' : kept}`,
  );
}
