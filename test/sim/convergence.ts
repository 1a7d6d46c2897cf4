import {
  assignmentCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  specCodec,
  statusCodec,
  workloadCodec,
} from '../../src/cluster/codecs.ts';
import { type Layout, parseInstancePath, parseNodeInstancePath } from '../../src/cluster/layout.ts';
import type { Config } from '../../src/config/read-config.ts';
import {
  type InstanceKey,
  isTemplateName,
  makeInstanceKey,
  type Slot,
  splitInstanceKey,
  type WorkloadName,
} from '../../src/domain/ids.ts';
import { displayName } from '../../src/domain/names.ts';
import { makeRunHash, restartOfInstance } from '../../src/domain/run-hash.ts';
import type { Workload } from '../../src/domain/spec.ts';
import type { SimMachine } from './sim-machine.ts';
import type { SimWorld } from './sim-world.ts';

type Tell = (problem: string) => void;

/** What there may be. */
interface Expected {
  readonly workloads: ReadonlyMap<WorkloadName, Workload>;
  readonly wanted: ReadonlyMap<InstanceKey, Workload>;
  readonly known: ReadonlySet<InstanceKey>;
  readonly isDisowned: (key: InstanceKey) => boolean;
}

/**
 * Everything in which one cluster isn't yet as it's desired, with all its machines up; empty once it has converged.
 * @param disowned workloads of which something may be left once they don't exist: nothing tells that it isn't wanted
 */
export function findProblems(world: SimWorld, config: Config, disowned: ReadonlySet<WorkloadName>): string[] {
  const problems: string[] = [];
  new Check(world, config, (problem) => problems.push(problem)).run(disowned);
  return problems;
}

class Check {
  readonly #world: SimWorld;
  readonly #layout: Layout;
  readonly #machines: readonly SimMachine[];
  readonly #tell: Tell;

  constructor(world: SimWorld, config: Config, tell: Tell) {
    this.#world = world;
    this.#layout = world.layoutOf(config);
    this.#machines = world.machinesOf(config.cluster);
    this.#tell = tell;
  }

  run(disowned: ReadonlySet<WorkloadName>): void {
    this.#checkNodes();
    const workloads = this.#readWorkloads();
    const isDisowned = (key: InstanceKey) => {
      const { workload } = splitInstanceKey(key);
      return disowned.has(workload) && !workloads.has(workload);
    };
    const wanted = new Map<InstanceKey, Workload>();
    const known = new Set<InstanceKey>();
    for (const [name, workload] of workloads) {
      if (workload.removing === true) this.#tell(`${name} is still there`);
      for (const key of this.#slotsOf(name, workload)) {
        known.add(key);
        if (workload.desired === 'run' && workload.removing !== true) wanted.set(key, workload);
      }
    }
    for (const [key, workload] of wanted) {
      if (workload.launch === false) this.#checkLoaded(key, workload);
      else this.#checkRuns(key, workload);
    }
    this.#checkNothingElse({ workloads, wanted, known, isDisowned });
  }

  #checkNodes(): void {
    const { store } = this.#world;
    const layout = this.#layout;
    const candidates = store.list(layout.election).length;
    if (candidates !== this.#machines.length) this.#tell(`${candidates} candidates for leader`);
    const leaders = this.#machines.filter((machine) => machine.isLeader).length;
    if (leaders !== 1) this.#tell(`${leaders} leaders`);
    for (const { name, node, isJoined, host } of this.#machines) {
      const presence = store.get(layout.presence(node));
      const record = store.get(layout.nodeRecord(node));
      if (!isJoined || presence === undefined) this.#tell(`${name} has not joined`);
      else if (presenceCodec.decode(presence.value, presence.key).state !== 'up') this.#tell(`${name} is not up`);
      if (record === undefined || nodeRecordCodec.decode(record.value, record.key).bootId !== host.current.bootId)
        this.#tell(`${name} has an old record`);
      const verdict = store.get(layout.verdict(node));
      if (verdict !== undefined && nodeVerdictCodec.decode(verdict.value, verdict.key).lostSince !== undefined)
        this.#tell(`${name} is still counted as lost`);
    }
  }

  #readWorkloads(): Map<WorkloadName, Workload> {
    const { workloads } = this.#layout;
    return new Map(
      this.#world.store.list(workloads).map(({ key, value }) => {
        return [key.slice(workloads.length) as WorkloadName, workloadCodec.decode(value, key)];
      }),
    );
  }

  #slotsOf(name: WorkloadName, { scale }: Workload): InstanceKey[] {
    if (scale.kind === 'global') return this.#machines.map(({ node }) => makeInstanceKey(name, node as string as Slot));
    const first = isTemplateName(name) ? 1 : 0;
    return Array.from({ length: scale.replicas }, (_none, at) => makeInstanceKey(name, String(first + at) as Slot));
  }

  /** It runs once, as its spec says, where its one order is, and all that is written of it says so. */
  #checkRuns(key: InstanceKey, workload: Workload): void {
    const label = displayName(key);
    const runners = this.#machines.filter((machine) => machine.isRunning(key));
    const [machine] = runners;
    if (machine === undefined || runners.length > 1) {
      this.#tell(`${label} runs on ${runners.length} machines (${runners.map(({ name }) => name).join(', ')})`);
      return;
    }
    if (workload.scale.kind === 'global' && key.endsWith(`/${machine.node}`) === false)
      this.#tell(`${label} runs on ${machine.name}`);
    const name = key.slice(0, key.indexOf('/')) as WorkloadName;
    const spec = this.#world.store.get(this.#layout.spec(name, workload.spec));
    if (spec === undefined) this.#tell(`${label} has no spec`);
    else if (
      makeRunHash(specCodec.decode(spec.value, spec.key).hash, restartOfInstance(workload, key)) !==
      machine.item(key)?.order.specHash
    )
      this.#tell(`${label} runs another spec`);
    this.#checkWritten(key, machine, workload);
  }

  /**
   * It's installed once, as its spec says, doesn't run, and its node says so. One that ran before and was killed while it was being
   * stopped is still what systemd calls failed.
   */
  #checkLoaded(key: InstanceKey, workload: Workload): void {
    const label = displayName(key);
    const holders = this.#machines.filter((machine) => machine.item(key) !== undefined);
    const [machine] = holders;
    if (machine === undefined || holders.length > 1) {
      this.#tell(`${label} is loaded on ${holders.length} machines (${holders.map(({ name }) => name).join(', ')})`);
      return;
    }
    const { phase, everStarted } = machine.item(key) ?? {};
    if ((phase !== 'stopped' && phase !== 'failed') || everStarted === true)
      this.#tell(`${label} is to be loaded, and is ${phase} on ${machine.name}`);
    this.#checkWritten(key, machine, workload);
  }

  #checkWritten(key: InstanceKey, machine: SimMachine, workload: Workload): void {
    const { store } = this.#world;
    const label = displayName(key);
    const assignment = store.get(this.#layout.assignment(machine.node, key));
    const status = store.get(this.#layout.status(machine.node, key));
    const record = store.get(this.#layout.instance(key));
    if (assignment === undefined || status === undefined || record === undefined) {
      this.#tell(`${label} runs on ${machine.name} without its order, status or record`);
      return;
    }
    const order = assignmentCodec.decode(assignment.value, assignment.key);
    if (order.order !== 'run' || order.superseded === true || order.spec !== workload.spec)
      this.#tell(`${label} has another order: ${assignment.value}`);
    if (order.disconnect !== workload.disconnect.mode) this.#tell(`${label} has another mode ordered`);
    const said = statusCodec.decode(status.value, status.key);
    const isSaid = workload.launch === false ? said.loaded === true : said.phase === 'running' && said.healthy;
    if (!isSaid || said.assignmentRevision !== assignment.modRevision)
      this.#tell(`${label} on ${machine.name} says ${status.value}, its order is of ${assignment.modRevision}`);
    const { copies, pending } = instanceCodec.decode(record.value, record.key);
    const isRight = copies.length === 1 && copies[0]?.node === machine.node && copies[0].role === 'current';
    if (!isRight || pending !== undefined) this.#tell(`${label} is recorded as ${record.value}`);
    const settings = store.get(this.#layout.nodeSettings(machine.node));
    const isDraining = settings !== undefined && nodeSettingsCodec.decode(settings.value, settings.key).draining;
    if (isDraining && workload.scale.kind !== 'global' && !workload.sticky)
      this.#tell(`${label} is on a draining node`);
  }

  #checkNothingElse({ workloads, wanted, known, isDisowned }: Expected): void {
    const { store } = this.#world;
    const layout = this.#layout;
    const wantedOn = new Map<InstanceKey, SimMachine[]>();
    const isThere = (machine: SimMachine, key: InstanceKey) =>
      wanted.get(key)?.launch === false ? machine.item(key) !== undefined : machine.isRunning(key);
    for (const key of wanted.keys())
      wantedOn.set(
        key,
        this.#machines.filter((machine) => isThere(machine, key)),
      );
    for (const range of [layout.assignments, layout.statuses]) {
      for (const { key } of store.list(range)) {
        const { node, instance } = parseNodeInstancePath(range, key);
        if (range === layout.statuses && isDisowned(instance)) continue;
        if (wantedOn.get(instance)?.some((machine) => machine.node === node) !== true) this.#tell(`${key} is left`);
      }
    }
    for (const { key } of store.list(layout.instances)) {
      const instance = parseInstancePath(layout.instances, key);
      if (!known.has(instance)) this.#tell(`${key} is left`);
    }
    for (const { key } of store.list(layout.specs)) {
      const name = key.slice(layout.specs.length).split('/')[0] as WorkloadName;
      if (!workloads.has(name)) this.#tell(`${key} is left`);
    }
    for (const machine of this.#machines) {
      for (const { order, phase } of machine.items) {
        const isWanted = wantedOn.get(order.key)?.includes(machine) === true;
        if (!isWanted && !isDisowned(order.key))
          this.#tell(`${displayName(order.key)} is left on ${machine.name}, ${phase}`);
      }
    }
  }
}
