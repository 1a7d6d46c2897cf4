import type { InstanceKey } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';
import type { InstanceRow, WorkloadSummary } from '../wire/answers.ts';
import type { RowFacts } from './copy-rows.ts';

type Verdict = 'reached' | 'under-way' | 'stuck';
interface Judged {
  readonly verdict: Verdict;
  readonly row: InstanceRow;
  readonly text: string;
}

/**
 * How far a workload is from what is desired of it, instance by instance. Copies on lost nodes hold up nothing that can be had
 * without them.
 */
export function summarizeWorkload(workload: Workload | undefined, facts: readonly RowFacts[]): WorkloadSummary {
  const byKey = new Map<InstanceKey, RowFacts[]>();
  for (const fact of facts) byKey.set(fact.row.key, [...(byKey.get(fact.row.key) ?? []), fact]);
  const instances = [...byKey.values()];
  const wanted = instances.filter((copies) => copies.some((copy) => copy.wanted));
  const judged = instances.map((copies) =>
    copies.some((copy) => copy.wanted) ? judgeWanted(copies) : judgeUnwanted(copies),
  );
  const short = judged.filter(({ verdict }) => verdict !== 'reached');
  const problems = short.map(({ row, text }) => ({ instance: row.display, phase: row.phase, text }));
  const leaving = workload?.removing === true;
  const isEmptyGlobal =
    workload?.scale.kind === 'global' && wanted.length === 0 && workload.desired === 'run' && !leaving;
  if (isEmptyGlobal)
    problems.push({ instance: 'any', phase: 'pending', text: 'no node that is up matches its placement' });
  return {
    converged: short.length === 0 && !leaving,
    blocked: short.length > 0 && short.every(({ verdict }) => verdict === 'stuck'),
    wanted: wanted.length,
    running: wanted.filter((copies) => copies.some(({ row }) => row.phase === 'running')).length,
    healthy: wanted.filter((copies) => copies.some(isAsDesired)).length,
    problems,
  };
}

/** It should run: one healthy current copy of the present spec, and no other copy on a node that is there. */
function judgeWanted(copies: readonly RowFacts[]): Judged {
  const current = copies.find(({ row }) => row.role === 'current') ?? copies.find(({ row }) => row.role === undefined);
  const [first] = copies;
  const fact = current ?? first;
  if (fact === undefined) throw new RangeError('an instance has at least one row');
  const { row, stuck, awaitsRestart } = fact;
  const other = copies.find((copy) => copy !== fact && copy.row.role === 'superseded' && copy.row.phase !== 'lost');
  if (current !== undefined && isAsDesired(current)) {
    if (other === undefined) return { verdict: 'reached', row, text: '' };
    return { verdict: 'under-way', row: other.row, text: `an older copy is still on ${nodeName(other.row)}` };
  }
  const failing = row.phase === 'failed' || (row.phase === 'running' && row.health === 'unhealthy');
  const text = awaitsRestart && row.phase === 'running' ? 'is still to be restarted' : shortText(row);
  return { verdict: stuck || failing ? 'stuck' : 'under-way', row, text };
}

/** It should not run: no copy is left on a node that is there. */
function judgeUnwanted(copies: readonly RowFacts[]): Judged {
  const left = copies.find(({ row }) => row.node !== undefined && row.phase !== 'lost');
  const row = (left ?? copies[0])?.row;
  if (row === undefined) throw new RangeError('an instance has at least one row');
  if (left === undefined) return { verdict: 'reached', row, text: '' };
  return { verdict: 'under-way', row, text: `is still ${row.phase} on ${nodeName(row)}` };
}

/** Loaded as ordered, or healthy with the present spec; or a unit that has done its work and ended well, as `Type=oneshot` does. */
function isAsDesired({ row, order }: RowFacts): boolean {
  if (!row.upToDate) return false;
  if (row.loaded === true) return order === 'run' && row.role === 'current';
  if (row.phase === 'running') return row.healthy;
  const ended = row.phase === 'stopped' && row.startedAt !== undefined && (row.exitCode ?? 0) === 0;
  return ended && order === 'run' && row.role === 'current' && row.kind === 'unit';
}

function shortText(row: InstanceRow): string {
  if (row.phase === 'running' && !row.upToDate) return 'still runs an older spec';
  if (row.phase === 'running' && !row.healthy && row.health !== 'unhealthy') return 'runs, and is not healthy yet';
  return row.reason ?? `is ${row.phase}`;
}

function nodeName(row: InstanceRow): string {
  return row.node?.hostname ?? 'no node';
}
