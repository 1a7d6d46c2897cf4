import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError } from '../domain/errors.ts';
import { isTemplateName, isUnitName, type NodeId, type WorkloadName } from '../domain/ids.ts';
import type { InstanceRow } from '../wire/answers.ts';

/**
 * The workload that a typed name can be about: `web` and `web.0` → `web`; `hello@1.service` → itself or `hello@.service`;
 * `web@<node>` → `web`. All that are possible, the plainest first.
 */
export function candidateWorkloads(typed: string): WorkloadName[] {
  const names = [typed];
  if (isUnitName(typed)) {
    const at = typed.indexOf('@');
    const dot = typed.lastIndexOf('.');
    if (at > 0 && !isTemplateName(typed)) names.push(`${typed.slice(0, at)}@${typed.slice(dot)}`);
  }
  const marks = ['.', '@', '/'].map((mark) => typed.lastIndexOf(mark)).filter((at) => at > 0);
  for (const at of marks) names.push(typed.slice(0, at));
  return [...new Set(names)] as WorkloadName[];
}

/** The rows that a typed name means: of a workload, or of one instance by its display name or key. */
export function rowsNamed(rows: readonly InstanceRow[], typed: string): InstanceRow[] {
  const ofWorkload = rows.filter((row) => row.workload === typed);
  if (ofWorkload.length > 0) return ofWorkload;
  const ofInstance = rows.filter((row) => row.display === typed || row.key === typed);
  if (ofInstance.length > 0) return ofInstance;
  return rows.filter(
    (row) => `${row.workload}@${row.node?.hostname ?? ''}` === typed && (row.slot as string) === row.node?.id,
  );
}

/** The node that a typed text means: its ID, the beginning of it (4 digits or more), or its hostname. */
export function resolveNode(state: DesiredState, typed: string): NodeId {
  const ids = [...state.nodes.keys()].filter((id) => state.nodes.get(id)?.record !== undefined);
  const exact = ids.filter((id) => id === typed || state.nodes.get(id)?.record?.hostname === typed);
  const found = exact.length > 0 ? exact : ids.filter((id) => typed.length >= 4 && id.startsWith(typed));
  const [first, second] = found;
  if (first === undefined) throw new AgentError('NOT_FOUND', `Cannot find node "${typed.slice(0, 100)}"`);
  if (second === undefined) return first;
  throw new AgentError('CONFLICT', `Cannot tell which node "${typed}" is: expected one of ${found.join(', ')}`);
}
