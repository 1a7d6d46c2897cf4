import { clockText } from '../../domain/hold.ts';
import { type InstanceKey, splitInstanceKey, type WorkloadName } from '../../domain/ids.ts';
import type { Workload } from '../../domain/spec.ts';
import { isUnordered, type NodeView } from '../cluster-view.ts';
import { type conflictsWith, mayNotJoin, mustYieldTo, type Party } from './conflicts.ts';
import { milliCpusOf, type NodeUsage } from './usage.ts';

/** Most instances on one node. */
export const INSTANCES_PER_NODE = 250;

/** Who looks for a node. */
export interface Seeker extends Party {
  readonly key: InstanceKey;
  readonly workloadName: WorkloadName;
  readonly workload: Workload;
  readonly unit: string | undefined;
}

/** A condition on the node and the workload alone, whatever else is on the node. */
export interface NodeRule {
  readonly name: string;
  readonly of: 'node';
  readonly fits: (seeker: Seeker, node: NodeView) => boolean;
  /** Why it doesn't fit, for people. Free of figures that change with each other instance: it's stored. */
  readonly why: (seeker: Seeker, node: NodeView) => string;
  /** True when an instance that is on the node already must leave it for this. */
  readonly evicts?: (seeker: Seeker, node: NodeView) => boolean;
}

/** A condition on what else is on the node. */
export interface RoomRule {
  readonly name: string;
  readonly of: 'room';
  /** Two instances of one workload may get different answers. */
  readonly perSlot: boolean;
  readonly fits: (seeker: Seeker, node: NodeView, usage: NodeUsage) => boolean;
  readonly why: (seeker: Seeker, node: NodeView, usage: NodeUsage) => string;
  readonly evicts?: (seeker: Seeker, node: NodeView, usage: NodeUsage) => boolean;
}

export type PlacementRule = NodeRule | RoomRule;

/** The filter, cheapest first. A node that meets all of it can take the instance. */
export const placementRules: readonly PlacementRule[] = [
  {
    name: 'present',
    of: 'node',
    fits: (_seeker, node) => node.record !== undefined && node.presence?.value.state === 'up',
    why: (_seeker, node) => describeAbsence(node),
  },
  {
    name: 'calm',
    of: 'node',
    // A global instance has nowhere else to go: to keep it off would heal nothing.
    fits: ({ workload }, node) => node.calm === undefined || workload.scale.kind === 'global',
    why: (_seeker, { calm }) =>
      calm === undefined ? '' : `was lost ${calm.flaps} times of late, gets new work from ${clockText(calm.until)}`,
  },
  {
    name: 'cordoned',
    of: 'node',
    fits: (_seeker, node) => !node.settings.cordoned,
    why: () => 'cordoned',
  },
  {
    name: 'draining',
    of: 'node',
    fits: (_seeker, node) => !node.settings.draining,
    why: () => 'draining',
    evicts: ({ key }, node) => node.settings.draining && !isSpared(key, node),
  },
  {
    name: 'runtime',
    of: 'node',
    fits: ({ workload }, node) => node.record?.runtimes[workload.needs.runtime] !== undefined,
    why: ({ workload }) => `has no ${workload.needs.runtime}`,
  },
  {
    name: 'machine-id',
    of: 'node',
    fits: isOneOfMachines,
    why: ({ workload }) => `is not ${workload.placement.machineIds.join(' or ')}`,
    evicts: (seeker, node) => !isOneOfMachines(seeker, node),
  },
  {
    name: 'labels',
    of: 'node',
    fits: (seeker, node) => unmetLabel(seeker, node) === undefined,
    why: (seeker, node) => unmetLabel(seeker, node) ?? '',
    evicts: (seeker, node) => unmetLabel(seeker, node) !== undefined,
  },
  {
    name: 'instances',
    of: 'room',
    perSlot: false,
    fits: ({ key }, _node, usage) => usage.count < INSTANCES_PER_NODE || usage.has(key),
    why: () => `has its ${INSTANCES_PER_NODE} instances`,
  },
  {
    name: 'machine-of',
    of: 'room',
    perSlot: true,
    fits: ({ workload }, _node, usage) => workload.placement.machineOf.every((name) => usage.hasCurrent(name)),
    why: ({ workload }, _node, usage) =>
      `${workload.placement.machineOf.find((name) => !usage.hasCurrent(name)) ?? ''} is not there`,
    evicts: ({ workload }, _node, usage) => !workload.placement.machineOf.every((name) => usage.hasCurrent(name)),
  },
  {
    name: 'conflicts',
    of: 'room',
    perSlot: true,
    fits: (seeker, _node, usage) => !hasAdversary(seeker, usage, mayNotJoin),
    why: (seeker, _node, usage) => `conflicts with ${adversaryName(seeker, usage, mayNotJoin)}`,
    evicts: (seeker, _node, usage) => hasAdversary(seeker, usage, mustYieldTo),
  },
  {
    name: 'unit-name',
    of: 'room',
    perSlot: true,
    fits: ({ unit, key }, _node, usage) => unit === undefined || usage.holderOfUnit(unit, key) === undefined,
    why: ({ unit }) => `has ${unit ?? ''} of another workload or an older copy`,
  },
  {
    name: 'memory',
    of: 'room',
    perSlot: false,
    fits: ({ workload, key }, node, usage) =>
      workload.needs.memoryBytes === 0 ||
      usage.memoryBytes + (usage.has(key) ? 0 : workload.needs.memoryBytes) <= (node.record?.capacity.memoryBytes ?? 0),
    why: ({ workload }) => `has less than ${mebibytes(workload.needs.memoryBytes)} of memory unreserved`,
  },
  {
    name: 'cpus',
    of: 'room',
    perSlot: false,
    fits: ({ workload, key }, node, usage) =>
      workload.needs.cpus === 0 ||
      usage.milliCpus + (usage.has(key) ? 0 : milliCpusOf(workload.needs)) <=
        Math.round((node.record?.capacity.cpus ?? 0) * 1_000),
    why: ({ workload }) => `has less than ${workload.needs.cpus} CPUs unreserved`,
  },
  {
    name: 'ports',
    of: 'room',
    perSlot: false,
    fits: ({ workload, key }, _node, usage) => usage.takenPort(workload.needs.ports, key) === undefined,
    why: ({ workload, key }, _node, usage) => {
      const taken = usage.takenPort(workload.needs.ports, key);
      return `port ${taken?.port ?? 0}/${taken?.protocol ?? 'tcp'} is taken`;
    },
  },
];

/** A global instance leaves a node that drains last: others there may need it; or not at all, if an operator wants it so. */
function isSpared(key: InstanceKey, { id, copies, settings }: NodeView): boolean {
  if (splitInstanceKey(key).slot !== (id as string)) return false;
  if (settings.drain?.keepGlobal === true) return true;
  return copies.values().some((copy) => {
    return splitInstanceKey(copy.key).slot !== (id as string) && (copy.assignment !== undefined || isUnordered(copy));
  });
}

function describeAbsence(node: NodeView): string {
  if (node.record === undefined) return 'has no record that can be read';
  switch (node.presence?.value.state) {
    case undefined:
      return 'lost';
    case 'away':
      return 'its agent is away';
    case 'in-doubt':
      return 'doubts the store';
    case 'leaving':
      return 'is shutting down';
    case 'up':
      return '';
  }
}

function isOneOfMachines({ workload }: Seeker, node: NodeView): boolean {
  const ids = workload.placement.machineIds;
  if (ids.length === 0) return true;
  const own = [node.id as string, node.record?.machineId ?? ''];
  return ids.some((id) => own.some((mine) => mine === id || (id.length === 8 && mine.startsWith(id))));
}

function unmetLabel({ workload }: Seeker, node: NodeView): string | undefined {
  for (const { key, values } of workload.placement.labels) {
    const has = Object.hasOwn(node.labels, key) ? node.labels[key] : undefined;
    if (has === undefined || !values.includes(has)) {
      return `label ${key} is ${has ?? 'not set'}, not ${values.join(' or ')}`;
    }
  }
  return undefined;
}

function hasAdversary(seeker: Seeker, usage: NodeUsage, test: typeof conflictsWith): boolean {
  return findAdversaries(seeker, usage, test).next().done !== true;
}

/** The first by name, so that the order in which instances came doesn't show. */
function adversaryName(seeker: Seeker, usage: NodeUsage, test: typeof conflictsWith): string {
  return [...findAdversaries(seeker, usage, test)].sort()[0] ?? '';
}

function* findAdversaries(seeker: Seeker, usage: NodeUsage, test: typeof conflictsWith): Generator<string> {
  const { conflicts, replaces } = seeker.workload.placement;
  const choosy = conflicts.length > 0 || replaces.length > 0;
  if (!choosy && !usage.hasChoosy) return;
  for (const other of choosy ? usage.occupants : usage.choosy) {
    if (other.key !== seeker.key && test(seeker, other)) yield other.name;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / (1024 * 1024))} MiB`;
}
