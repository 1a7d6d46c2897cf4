import type { Context } from './context.ts';
import { Misuse } from './misuse.ts';
import type { InstanceRate, NodeRate, Rates } from './rates.ts';
import { phaseCell } from './show-instances.ts';
import { formatBytes } from './show-nodes.ts';
import { type Cell, renderTable } from './table.ts';

/** By what instances can be sorted. */
export const sortKeys = ['cpu', 'memory', 'restarts', 'name'] as const;
/** By what instances are sorted. */
export type SortKey = (typeof sortKeys)[number];

/** The key that an option names. */
export function parseSortKey(text: string): SortKey {
  const key = sortKeys.find((each) => each === text);
  if (key !== undefined) return key;
  throw new Misuse(`Cannot sort by "${text}": expected one of ${sortKeys.join(', ')}`);
}

/** Most first; by name among equals. */
export function sortedRates({ nodes, instances }: Rates, key: SortKey): Rates {
  const amount = (rate: InstanceRate): number => {
    if (key === 'cpu') return rate.cpuShare ?? -1;
    if (key === 'memory') return rate.memoryBytes ?? -1;
    return key === 'restarts' ? rate.restarts : 0;
  };
  const name = (rate: InstanceRate) => `${rate.instance}@${rate.node}`;
  const sorted = instances.toSorted((a, b) => amount(b) - amount(a) || (name(a) < name(b) ? -1 : 1));
  return { nodes, instances: sorted };
}

/** Nodes, then instances. */
export function renderTop(
  context: Pick<Context, 'stdout' | 'paint'>,
  { nodes, instances }: Rates,
  sort: SortKey,
): string {
  const look = { width: context.stdout.columns, paint: context.paint };
  const mark = (title: string, key: SortKey) => (key === sort ? `${title}▼` : title);
  const right = { align: 'right' } as const;
  const nodeTable = renderTable(
    [
      { title: 'NODE' },
      { title: 'CPU', ...right },
      { title: 'CPUS', ...right },
      { title: 'LOAD', ...right },
      { title: 'MEMORY', ...right },
      { title: 'OF', ...right },
      { title: 'RUNNING', ...right },
      { title: '', shrinks: true },
    ],
    nodes.map(nodeCells),
    look,
  );
  const instanceTable = renderTable(
    [
      { title: mark('INSTANCE', 'name') },
      { title: 'NODE' },
      { title: 'PHASE' },
      { title: mark('CPU', 'cpu'), ...right },
      { title: mark('MEMORY', 'memory'), ...right },
      { title: mark('RESTARTS', 'restarts'), ...right },
    ],
    instances.map(instanceCells),
    look,
  );
  return `${nodeTable}\n${instances.length === 0 ? 'No instances.\n' : instanceTable}`;
}

function nodeCells(node: NodeRate): readonly Cell[] {
  return [
    { text: node.hostname, tone: 'strong' },
    percentCell(node.cpuShare, 0.9),
    { text: node.cpus === undefined ? '-' : String(node.cpus) },
    { text: node.load === undefined ? '-' : node.load.toFixed(2) },
    bytesCell(node.memoryBytes),
    bytesCell(node.memoryTotalBytes),
    { text: String(node.instances) },
    { text: node.problem ?? '', tone: 'bad' },
  ];
}

function instanceCells(rate: InstanceRate): readonly Cell[] {
  return [
    { text: rate.instance, tone: 'strong' },
    { text: rate.node },
    phaseCell(rate.phase),
    percentCell(rate.cpuShare, Number.POSITIVE_INFINITY),
    bytesCell(rate.memoryBytes),
    { text: String(rate.restarts), tone: rate.restarts > 0 ? 'warn' : 'plain' },
  ];
}

function percentCell(share: number | undefined, warnFrom: number): Cell {
  if (share === undefined) return { text: '-', tone: 'dim' };
  return { text: `${(share * 100).toFixed(1)}%`, tone: share >= warnFrom ? 'warn' : 'plain' };
}

function bytesCell(bytes: number | undefined): Cell {
  return bytes === undefined ? { text: '-', tone: 'dim' } : { text: formatBytes(bytes) };
}
