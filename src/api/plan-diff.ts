import { isDeepStrictEqual } from 'node:util';
import type { RunSpec, Workload } from '../domain/spec.ts';
import type { FieldChange } from '../wire/plan-answers.ts';

/** What of a workload people write, and see compared. */
export interface Comparable {
  readonly run: RunSpec | undefined;
  readonly workload: Workload;
}

/** What differs, field by field, in order of their names; all that there is where nothing was before. */
export function diffWorkloads(before: Comparable | undefined, after: Comparable): FieldChange[] {
  const [a, b] = [before === undefined ? undefined : fieldsOf(before), fieldsOf(after)];
  return diff('', a, b);
}

function fieldsOf({ run, workload }: Comparable): unknown {
  const { scale, placement, disconnect, offlineStart, launch, reschedule, moveOrder, sticky, needs } = workload;
  const { memoryBytes, cpus } = needs; // the rest of it follows from what runs
  return {
    run,
    scale,
    placement,
    disconnect,
    offlineStart,
    launch,
    reschedule,
    moveOrder,
    sticky,
    reserve: { memoryBytes, cpus },
  };
}

/** Maps are gone into; everything else is compared as a whole. */
function diff(path: string, before: unknown, after: unknown): FieldChange[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isMap(after) && (isMap(before) || before === undefined)) {
    const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])];
    const at = (name: string) => (path === '' ? name : `${path}.${name}`);
    return names.flatMap((name) => diff(at(name), before?.[name], after[name]));
  }
  if (before === undefined && isEmpty(after)) return [];
  return [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a new workload has nothing of isn't told. */
function isEmpty(value: unknown): boolean {
  return (Array.isArray(value) && value.length === 0) || value === false || value === 0;
}
