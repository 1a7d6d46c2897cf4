import { eventually } from '../../support/eventually.ts';
import type { LabNode } from '../lab-node.ts';
import type { Cluster } from '../scenario/cluster.ts';
import { sleeper, sleepingContainer } from '../scenario/workload-texts.ts';

/** A fault of one machine, and what must be so meanwhile and after. Several are made side by side, each on a machine of its own. */
export type LocalFault = (cluster: Cluster, node: LabNode) => Promise<void>;

/** One machine's own work: its names are no other's. */
export interface OwnWork {
  /** A unit and a container that run before the fault. */
  readonly unit: string;
  readonly container: string;
  /** Another unit and another container, for the time of the fault. */
  readonly newUnit: string;
  readonly newContainer: string;
}

export function workOf({ name }: LabNode): OwnWork {
  return {
    unit: `old-${name}.service`,
    container: `old-${name}`,
    newUnit: `new-${name}.service`,
    newContainer: `new-${name}`,
  };
}

/** A unit for this machine alone. */
export function unitOn(node: LabNode, more: readonly string[] = []): string {
  return sleeper([], ['[X-Muster]', `MachineID=${node.machineId}`, ...more]);
}

/** A container for this machine alone. */
export function containerOn(node: LabNode, name: string): string {
  return sleepingContainer(name, [`placement: {machineId: "${node.machineId}"}`]);
}

/** One of each kind on the machine. What identifies their runs. */
export async function begin(cluster: Cluster, node: LabNode): Promise<readonly string[]> {
  const { unit, container } = workOf(node);
  await cluster.startAll({ [unit]: unitOn(node), [container]: containerOn(node, container) });
  return cluster.identities([node]);
}

/** A new unit and a new container start on the machine, and go. */
export async function assertWorks(cluster: Cluster, node: LabNode): Promise<void> {
  const { newUnit, newContainer } = workOf(node);
  await cluster.applyAll({ [newUnit]: unitOn(node), [newContainer]: containerOn(node, newContainer) });
  await cluster.muster(['rm', newUnit, newContainer], { on: node });
}

/** A new unit and a new container begin to run on the machine, and go: without waiting for how they do. */
export async function assertStarts(cluster: Cluster, node: LabNode): Promise<void> {
  const { newUnit, newContainer } = workOf(node);
  await cluster.startAll({ [newUnit]: unitOn(node), [newContainer]: containerOn(node, newContainer) });
  await cluster.muster(['rm', newUnit, newContainer], { on: node });
}

/** What identifies the runs of all but the new ones. */
export async function oldIdentities(cluster: Cluster, node: LabNode): Promise<readonly string[]> {
  return (await cluster.identities([node])).filter((line) => !line.includes('new-'));
}

/** Faults that do nothing new show what they cost by lasting. */
export async function passTime(what: string, ms: number): Promise<void> {
  const beganMs = performance.now();
  await eventually(what, ms + 10_000, () => performance.now() - beganMs > ms, 250);
}
