import { AgentError } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';

/** What a change may ask of what it finds: one of these specs, any workload, or none of that name. */
export type ExpectedSpec = { readonly specs: readonly number[] } | 'any' | 'none';

/** A change that expected something else to be there. */
export class StaleSpec extends AgentError {
  /** What is there now; undefined: nothing. */
  readonly current: Pick<Workload, 'spec' | 'changedAt'> | undefined;

  constructor(message: string, current: Workload | undefined) {
    super('STALE', message);
    this.current = current === undefined ? undefined : { spec: current.spec, changedAt: current.changedAt };
  }
}

/** Throws `STALE` with what is there unless that is what the change expects. */
export function checkExpected(
  name: WorkloadName,
  found: Workload | undefined,
  expected: ExpectedSpec | undefined,
): void {
  if (expected === undefined) return;
  const fail = (wanted: string) => {
    const there = found === undefined ? 'there is none' : `spec ${found.spec} is there since ${found.changedAt}`;
    return new StaleSpec(`Cannot change "${name}", ${there}: expected ${wanted}`, found);
  };
  if (expected === 'none') {
    if (found !== undefined) throw fail('no workload of that name');
  } else if (found === undefined) throw fail('a workload of that name');
  else if (expected !== 'any' && !expected.specs.includes(found.spec))
    throw fail(`spec ${expected.specs.join(' or ')}`);
}
