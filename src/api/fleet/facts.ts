import { type Part, readState, readWorkloadState } from '../../cluster/desired-read.ts';
import type { CopyEntry, DesiredState } from '../../cluster/desired-state.ts';
import {
  type InstanceKey,
  isTemplateName,
  isUnitName,
  makeInstanceKey,
  type NodeId,
  parseWorkloadName,
  type Slot,
  splitInstanceKey,
  type WorkloadName,
} from '../../domain/ids.ts';
import { unitName } from '../../domain/names.ts';
import type { Workload } from '../../domain/spec.ts';
import type { ApiDeps } from '../api-deps.ts';
import { wantedKeys } from '../copy-rows.ts';

/** What a fleet unit is made of: a workload, or an instance of a template that muster itself scales. */
export interface UnitFacts {
  readonly name: string;
  readonly workloadName: WorkloadName;
  readonly workload: Workload;
  /** `template`: a file that runs nothing under this name. `instance`: what the template's own workload runs. */
  readonly kind: 'plain' | 'global' | 'template' | 'instance';
  /** The instances that run under this name: one, or one on each node; none of a template. */
  readonly keys: readonly InstanceKey[];
}

/** An order and its receipt on a node that isn't lost, and whether it's the copy that counts. */
export interface Copy extends CopyEntry {
  readonly key: InstanceKey;
  readonly isCurrent: boolean;
}

const parts: readonly Part[] = ['nodes', 'workloads', 'instances', 'assignments', 'statuses'];

/** Everything that fleet's clients see, read whole. */
export async function readAll({ store }: ApiDeps, signal: AbortSignal): Promise<DesiredState> {
  return (await readState(store, parts, signal)).state;
}

/** One unit by its name, and what was read of it; undefined facts: there's none. Never throws for a name that can't be one. */
export async function readUnit(
  { store }: ApiDeps,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly facts: UnitFacts | undefined; readonly state: DesiredState }> {
  const names = [name, templateNameOf(name)].flatMap((text) =>
    text === undefined ? [] : (workloadNameOf(text) ?? []),
  );
  const { state } = await readWorkloadState(store, names.filter(isUnitName), signal);
  return { facts: unitsOf(state).find((unit) => unit.name === name), state };
}

/** All units in order of their names. What is being removed is gone already, as it is with fleet. */
export function unitsOf(state: DesiredState): UnitFacts[] {
  const units = new Map<string, UnitFacts>();
  for (const [workloadName, { value: workload }] of state.workloads) {
    if (!isUnitName(workloadName) || workload.removing === true) continue;
    const common = { workloadName, workload };
    for (const key of runKeys(state, workloadName, workload)) {
      const name = unitName(key);
      if (!isTemplateName(workloadName) || units.has(name)) continue;
      units.set(name, { ...common, name, kind: 'instance', keys: [key] });
    }
    units.set(workloadName, { ...common, name: workloadName, ...ownKind(state, workloadName, workload) });
  }
  return [...units.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function ownKind(state: DesiredState, name: WorkloadName, workload: Workload): Pick<UnitFacts, 'kind' | 'keys'> {
  if (isTemplateName(name)) return { kind: 'template', keys: [] };
  if (workload.scale.kind === 'global') return { kind: 'global', keys: runKeys(state, name, workload) };
  return { kind: 'plain', keys: [makeInstanceKey(name, '0' as Slot)] };
}

/** The instances that are wanted, and those of which anything is left. */
function runKeys(state: DesiredState, name: WorkloadName, workload: Workload): InstanceKey[] {
  const known = [...state.instancesOf(name).keys(), ...state.copiesOf(name).keys()];
  const keys = new Set([...wantedKeys(state, name, workload), ...known]);
  return [...keys].filter((key) => splitInstanceKey(key).workload === name).sort();
}

/** The copies of an instance on nodes that are there. What is on a lost node is nobody's to wait for. */
export function copiesOf(state: DesiredState, key: InstanceKey): Copy[] {
  const { workload } = splitInstanceKey(key);
  const current = state
    .instancesOf(workload)
    .get(key)
    ?.copies.find(({ role }) => role === 'current')?.node;
  const copies = [...(state.copiesOf(workload).get(key)?.values() ?? [])];
  return copies
    .filter(({ node }) => !state.isLost(node))
    .map((copy) => ({ ...copy, key, isCurrent: copy.node === current }));
}

/** The machine ID that fleet's clients know a node by: its raw one, as in its `/etc/machine-id`. */
export function machineIdOf(state: DesiredState, node: NodeId): string {
  return state.nodes.get(node)?.record?.machineId ?? node;
}

/** `hello@.service` of `hello@1.service`; undefined for what is no instance of a template. */
export function templateNameOf(name: string): string | undefined {
  const [, stem, type] = /^([^@]+@)[^@]+(\.[a-z]+)$/.exec(name) ?? [];
  return stem === undefined || type === undefined ? undefined : `${stem}${type}`;
}

function workloadNameOf(text: string): WorkloadName | undefined {
  try {
    return parseWorkloadName(text);
  } catch {
    return undefined;
  }
}
