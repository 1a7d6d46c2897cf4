import { type InstanceKey, isUnitName, splitInstanceKey, type WorkloadName } from '../../domain/ids.ts';
import { displayName, unitName } from '../../domain/names.ts';
import type { Needs, Workload } from '../../domain/spec.ts';
import { expandPlacement } from '../../domain/specifiers.ts';

/** One instance that takes up room on a node, until its receipt. */
export interface Occupant {
  readonly key: InstanceKey;
  readonly workloadName: WorkloadName;
  /** Absent for the trace of a workload that no longer exists. */
  readonly workload: Workload | undefined;
  /** What globs and `MachineOf=` match: a unit's name, which a global one has on each node; a container's display name. */
  readonly name: string;
  readonly unit: string | undefined;
  /** Counts as "the" instance: ordered to run here and not superseded. */
  readonly current: boolean;
}

type Port = Needs['ports'][number];

/** Makes an occupant; the one place that derives what placement must know of an instance. */
export function makeOccupant(key: InstanceKey, workload: Workload | undefined, current: boolean): Occupant {
  const { workload: workloadName } = splitInstanceKey(key);
  const unit = isUnitName(workloadName) ? unitName(key) : undefined;
  return {
    key,
    workloadName,
    workload: workload && placedAs(key, workload),
    name: unit ?? displayName(key),
    unit,
    current,
  };
}

/** The workload as this instance of it is placed: a template's specifiers stand for this instance. */
export function placedAs(key: InstanceKey, workload: Workload): Workload {
  const placement = expandPlacement(workload.placement, key);
  return placement === workload.placement ? workload : { ...workload, placement };
}

/** What is taken on one node. */
export class NodeUsage {
  /** Thousandths, so that the order of adding changes nothing. */
  milliCpus = 0;
  memoryBytes = 0;
  readonly #occupants = new Map<InstanceKey, Occupant>();
  readonly #byWorkload = new Map<WorkloadName, number>();
  readonly #names = new Map<string, number>();
  /** Those with patterns of their own: they can refuse a newcomer that has none. */
  readonly #choosy = new Map<InstanceKey, Occupant>();
  readonly #withPorts = new Map<InstanceKey, Occupant>();

  get count(): number {
    return this.#occupants.size;
  }

  get occupants(): Iterable<Occupant> {
    return this.#occupants.values();
  }

  get choosy(): Iterable<Occupant> {
    return this.#choosy.values();
  }

  get hasChoosy(): boolean {
    return this.#choosy.size > 0;
  }

  has(key: InstanceKey): boolean {
    return this.#occupants.has(key);
  }

  countOf(workload: WorkloadName): number {
    return this.#byWorkload.get(workload) ?? 0;
  }

  /** True when the instance that people call so is to run here. */
  hasCurrent(name: string): boolean {
    return (this.#names.get(name) ?? 0) > 0;
  }

  /** Puts it in, in place of what was there of the same instance. */
  occupy(occupant: Occupant): void {
    this.release(occupant.key);
    this.#occupants.set(occupant.key, occupant);
    this.#count(occupant, 1);
    const { workload } = occupant;
    if (workload === undefined) return;
    if (workload.placement.conflicts.length > 0 || workload.placement.replaces.length > 0) {
      this.#choosy.set(occupant.key, occupant);
    }
    if (workload.needs.ports.length > 0) this.#withPorts.set(occupant.key, occupant);
  }

  release(key: InstanceKey): void {
    const occupant = this.#occupants.get(key);
    if (occupant === undefined) return;
    this.#occupants.delete(key);
    this.#choosy.delete(key);
    this.#withPorts.delete(key);
    this.#count(occupant, -1);
  }

  /** The instance of that unit name, were it another than `key`. */
  holderOfUnit(unit: string, key: InstanceKey): Occupant | undefined {
    for (const occupant of this.#occupants.values()) {
      if (occupant.unit === unit && occupant.key !== key) return occupant;
    }
    return undefined;
  }

  /** The first of the wanted ports that another instance holds. */
  takenPort(ports: readonly Port[], key: InstanceKey): Port | undefined {
    if (ports.length === 0 || this.#withPorts.size === 0) return undefined;
    return ports.find((port) => this.#holdsPort(port, key));
  }

  #holdsPort(port: Port, key: InstanceKey): boolean {
    for (const occupant of this.#withPorts.values()) {
      if (occupant.key !== key && occupant.workload?.needs.ports.some((held) => samePort(held, port)) === true)
        return true;
    }
    return false;
  }

  #count(occupant: Occupant, by: 1 | -1): void {
    add(this.#byWorkload, occupant.workloadName, by);
    if (occupant.current) add(this.#names, occupant.name, by);
    const needs = occupant.workload?.needs;
    if (needs === undefined) return;
    this.memoryBytes += by * needs.memoryBytes;
    this.milliCpus += by * milliCpusOf(needs);
  }
}

/** Whole thousandths of a CPU. */
export function milliCpusOf(needs: Needs): number {
  return Math.round(needs.cpus * 1_000);
}

function add<K>(counts: Map<K, number>, key: K, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

function samePort(a: Port, b: Port): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return isAnyAddress(a.hostIp) || isAnyAddress(b.hostIp) || a.hostIp === b.hostIp;
}

function isAnyAddress(ip: string | undefined): boolean {
  return ip === undefined || ip === '' || ip === '0.0.0.0' || ip === '::';
}
