import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../../../src/domain/ids.ts';
import type { NodeRecord, NodeSettings, Presence, PresenceState } from '../../../src/domain/node.ts';
import type {
  Assignment,
  DisconnectPolicy,
  InstanceRecord,
  Needs,
  Placement,
  ReschedulePolicy,
  Workload,
} from '../../../src/domain/spec.ts';
import type { InstanceStatus } from '../../../src/domain/status.ts';
import type {
  ClusterView,
  CopyView,
  InstanceView,
  NodeView,
  Versioned,
  WorkloadView,
} from '../../../src/plan/cluster-view.ts';
import { type ClusterPlan, planCluster } from '../../../src/plan/plan-cluster.ts';
import type { Step, StepGuard } from '../../../src/plan/plan-cluster-step.ts';

export const TTL_MS = 10_000;

/** A node's ID from a short name: hex digits, told apart by the first eight. */
export function nodeId(name: string): NodeId {
  const digits = Buffer.from(name).toString('hex');
  return digits.padEnd(32, '0').slice(0, 32) as NodeId;
}

export const noPlacement: Placement = { machineIds: [], machineOf: [], labels: [], conflicts: [], replaces: [] };
export const noNeeds: Needs = { runtime: 'docker', memoryBytes: 0, cpus: 0, ports: [], volumes: [] };

/** What a test says of a workload; the rest is as plain as can be. */
export interface WorkloadOptions {
  readonly replicas?: number;
  readonly global?: boolean;
  readonly mode?: 'keep' | 'stop';
  readonly replaceAfterMs?: number | 'never';
  readonly onReturn?: NonNullable<DisconnectPolicy['onReturn']>;
  readonly offlineStart?: boolean;
  readonly reschedule?: ReschedulePolicy | 'never';
  readonly spec?: number;
  readonly desired?: 'run' | 'stop';
  readonly placement?: Partial<Placement>;
  readonly needs?: Partial<Needs>;
  readonly moveOrder?: 'start-first' | 'stop-first';
  readonly sticky?: boolean;
  readonly removing?: boolean;
  readonly restart?: Workload['restart'];
  readonly launch?: false;
  readonly changedAt?: string;
}

export function makeWorkload(options: WorkloadOptions = {}): Workload {
  const at = options.changedAt ?? '2026-01-01T00:00:00.000Z';
  return {
    spec: options.spec ?? 1,
    scale: options.global === true ? { kind: 'global' } : { kind: 'replicas', replicas: options.replicas ?? 1 },
    desired: options.desired ?? 'run',
    placement: { ...noPlacement, ...options.placement },
    disconnect: {
      mode: options.mode ?? 'keep',
      ...(options.replaceAfterMs === undefined ? {} : { replaceAfterMs: options.replaceAfterMs }),
      ...(options.onReturn === undefined ? {} : { onReturn: options.onReturn }),
    },
    ...(options.offlineStart === undefined ? {} : { offlineStart: options.offlineStart }),
    ...(options.reschedule === undefined ? {} : { reschedule: options.reschedule }),
    moveOrder: options.moveOrder ?? 'start-first',
    sticky: options.sticky ?? false,
    needs: { ...noNeeds, ...options.needs },
    createdAt: at,
    changedAt: at,
    ...(options.removing === true ? { removing: true } : {}),
    ...(options.restart === undefined ? {} : { restart: options.restart }),
    ...(options.launch === undefined ? {} : { launch: options.launch }),
  };
}

export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly runtimes?: NodeRecord['runtimes'];
}

/** A model of the store and of nodes that obey it: what a plan is judged by. */
export class World {
  nowMs = 0;
  revision = 1;
  readonly records = new Map<NodeId, NodeRecord>();
  readonly presences = new Map<NodeId, Versioned<Presence>>();
  readonly settings = new Map<NodeId, NodeSettings>();
  readonly goneAtMs = new Map<NodeId, number>();
  /** What leaders have written of them. */
  readonly lostSince = new Map<NodeId, string>();
  readonly workloads = new Map<WorkloadName, Versioned<Workload>>();
  readonly instances = new Map<InstanceKey, Versioned<InstanceRecord>>();
  /** By `<node> <instance>`, as all that follows. */
  readonly assignments = new Map<string, Versioned<Assignment>>();
  readonly statuses = new Map<string, Versioned<InstanceStatus>>();
  /** What really runs, whatever the store says. */
  readonly processes = new Map<string, Process>();
  /** Instances that run but never get well. */
  readonly sick = new Set<InstanceKey>();
  /** By `<node> <instance>`: it runs there, but never gets well. */
  readonly sickOn = new Set<string>();
  /** By `<node> <instance>`: it fails there whenever it's started, until its node waits long before it tries again. */
  readonly failsOn = new Set<string>();

  addNode(name: string, options: NodeOptions = {}): NodeId {
    const id = nodeId(name);
    this.records.set(id, {
      machineId: `machine-${name}`,
      bootId: 'boot',
      hostname: name,
      addresses: [],
      advertise: '',
      labels: options.labels ?? {},
      capacity: { cpus: options.cpus ?? 4, memoryBytes: options.memoryBytes ?? 1_000 },
      runtimes: options.runtimes ?? { docker: '20', systemd: '252' },
      agentVersion: '1',
      formats: [1],
      at: '',
    });
    this.setPresence(id, 'up');
    return id;
  }

  setPresence(id: NodeId, state: PresenceState): void {
    const value = { nonce: 'n', bootId: 'boot', ttlMs: TTL_MS, state };
    this.presences.set(id, { value, revision: ++this.revision });
    this.goneAtMs.delete(id);
    this.lostSince.delete(id);
  }

  /** Its presence vanishes; what runs there goes on. */
  lose(id: NodeId): void {
    if (!this.presences.delete(id)) return;
    this.revision += 1;
    this.goneAtMs.set(id, this.nowMs);
  }

  /** Another node leads: it knows of absences what it sees from now on, and what is written. */
  changeLeader(): void {
    for (const id of this.goneAtMs.keys()) this.goneAtMs.set(id, this.nowMs);
  }

  setSettings(id: NodeId, settings: Partial<NodeSettings>): void {
    const had = this.settings.get(id) ?? { cordoned: false, draining: false, labels: {} };
    this.settings.set(id, { ...had, ...settings });
  }

  setWorkload(name: string, options: WorkloadOptions = {}): void {
    this.workloads.set(name as WorkloadName, { value: makeWorkload(options), revision: ++this.revision });
  }

  assign(node: NodeId, key: string, over: Partial<Assignment> = {}): number {
    const value: Assignment = { order: 'run', spec: 1, disconnect: 'keep', reason: '', at: '', ...over };
    this.assignments.set(`${node} ${key}`, { value, revision: ++this.revision });
    return this.revision;
  }

  report(node: NodeId, key: string, over: Partial<InstanceStatus> = {}): void {
    const at = `${node} ${key}`;
    const value: InstanceStatus = {
      assignmentRevision: this.assignments.get(at)?.revision ?? 0,
      spec: 1,
      phase: 'running',
      healthy: true,
      health: 'none',
      since: '',
      restarts: 0,
      ...over,
    };
    this.statuses.set(at, { value, revision: ++this.revision });
  }

  /** The record that goes with these copies. */
  record(key: string, over: Partial<InstanceRecord>): void {
    this.instances.set(key as InstanceKey, {
      value: { copies: [], moves: [], ...over },
      revision: ++this.revision,
    });
  }

  /** A copy that is assigned, runs, and is well. */
  settleOn(node: NodeId, key: string, over: Partial<Assignment> = {}): void {
    this.assign(node, key, over);
    this.report(node, key);
    this.record(key, { copies: [{ node, role: 'current' }], lastNode: node });
  }

  view(): ClusterView {
    const workloads = new Map<WorkloadName, MutableWorkload>();
    const nodes = new Map<NodeId, NodeView & { copies: Map<InstanceKey, CopyView> }>();
    for (const id of this.#nodeIds()) nodes.set(id, this.#nodeView(id));
    const workloadOf = (name: WorkloadName) => {
      const known = workloads.get(name) ?? {
        name,
        workload: this.workloads.get(name),
        unreadable: false,
        instances: new Map(),
      };
      workloads.set(name, known);
      return known;
    };
    for (const name of this.workloads.keys()) workloadOf(name);
    for (const key of this.#instanceKeys()) {
      const { workload, slot } = splitInstanceKey(key);
      const copies = new Map<NodeId, CopyView>();
      for (const node of nodes.values()) {
        const assignment = this.assignments.get(`${node.id} ${key}`);
        const status = this.statuses.get(`${node.id} ${key}`);
        if (assignment === undefined && status === undefined) continue;
        const copy = { key, node: node.id, assignment, status };
        copies.set(node.id, copy);
        node.copies.set(key, copy);
      }
      workloadOf(workload).instances.set(slot, {
        key,
        slot,
        record: this.instances.get(key),
        copies,
        unreadable: new Set(),
      });
    }
    return { nowIso: isoOf(this.nowMs), nodes, workloads };
  }

  plan(): ClusterPlan {
    return this.planOn(this.view());
  }

  planOn(view: ClusterView): ClusterPlan {
    return planCluster(view, 'all');
  }

  /** Applies a step as the store would; false when one of its guards doesn't hold. */
  apply(step: Step): boolean {
    if (!step.guards.every((guard) => this.#revisionOf(guard) === guard.revision)) return false;
    this.revision += 1;
    const { revision } = this;
    for (const write of step.writes) {
      switch (write.kind) {
        case 'put-assignment':
          this.assignments.set(`${write.node} ${write.key}`, { value: write.value, revision });
          break;
        case 'delete-assignment':
          this.assignments.delete(`${write.node} ${write.key}`);
          break;
        case 'delete-status':
          this.statuses.delete(`${write.node} ${write.key}`);
          break;
        case 'put-instance':
          this.instances.set(write.key, { value: write.value, revision });
          break;
        case 'delete-instance':
          this.instances.delete(write.key);
          break;
        case 'delete-workload':
          this.workloads.delete(write.name);
          break;
      }
    }
    return true;
  }

  /** A node's agent does what it's ordered, and says so; what it can't reach the store for it doesn't know. */
  obey(id: NodeId, only: (key: InstanceKey) => boolean = () => true): void {
    const presence = this.presences.get(id)?.value.state;
    if (presence === undefined || presence === 'away') return;
    for (const key of this.#instanceKeys()) {
      if (only(key)) this.#obeyOne(id, key, presence);
    }
  }

  /** Time passes; a node that is cut off ends its `stop` instances when a TTL is over, at the latest. */
  advance(ms: number): void {
    this.nowMs += ms;
    for (const [id, goneAtMs] of this.goneAtMs) {
      const isWritten = this.lostSince.has(id) || this.nowMs - goneAtMs < 1_000;
      if (!isWritten) this.lostSince.set(id, isoOf(goneAtMs + 1_000));
      if (this.nowMs - goneAtMs < TTL_MS) continue;
      for (const [at, { mode }] of this.processes) if (mode === 'stop' && at.startsWith(id)) this.processes.delete(at);
    }
  }

  /** Plans, applies and obeys until nothing is left to do; returns how many rounds it took. */
  converge(limit = 100): number {
    for (let round = 1; round <= limit; round += 1) {
      const { steps, nextInMs } = this.plan();
      for (const step of steps)
        if (!this.apply(step)) throw new Error(`a guard does not hold: ${JSON.stringify(step)}`);
      const before = this.revision;
      for (const id of this.records.keys()) this.obey(id);
      if (steps.length === 0 && before === this.revision && nextInMs === undefined) return round;
      this.advance(nextInMs ?? 100);
    }
    throw new Error(`it does not converge: ${JSON.stringify(this.plan().steps[0])}`);
  }

  /** `web.0@n1 run current` and so on: what a person would draw. */
  orders(): string[] {
    return [...this.assignments].map(([at, { value }]) => {
      const [node, key] = at.split(' ') as [NodeId, string];
      return `${key} ${this.records.get(node)?.hostname ?? node} ${value.order}${value.superseded === true ? ' superseded' : ''}`;
    });
  }

  runningOn(key: InstanceKey): NodeId[] {
    return [...this.processes.keys()].flatMap((at) => (at.endsWith(` ${key}`) ? [at.split(' ')[0] as NodeId] : []));
  }

  #obeyOne(id: NodeId, key: InstanceKey, state: PresenceState): void {
    const at = `${id} ${key}`;
    const assignment = this.assignments.get(at);
    const runs = this.processes.has(at);
    if (assignment === undefined) {
      if (runs) this.#say(at, { assignmentRevision: 0, phase: 'orphan' });
      else if (this.statuses.delete(at)) this.revision += 1;
      return;
    }
    const { order, disconnect: mode, spec, restart } = assignment.value;
    const mayRun = order === 'run' && !(state === 'leaving' && (mode === 'stop' || !runs));
    if (mayRun && this.failsOn.has(at)) this.processes.delete(at);
    else if (mayRun) this.#start(at, { mode, spec, restart });
    else if (order === 'stop' || mode === 'stop') this.processes.delete(at);
    const isRunning = this.processes.has(at);
    const isWell = isRunning && !this.sick.has(key) && !this.sickOn.has(at);
    const hasFailed = mayRun && this.failsOn.has(at);
    const startedAtMs = this.processes.get(at)?.startedAtMs;
    this.#say(at, {
      assignmentRevision: assignment.revision,
      phase: isRunning ? 'running' : hasFailed ? 'failed' : 'stopped',
      healthy: isWell,
      spec,
      failures: hasFailed ? 99 : 0,
      ...(startedAtMs === undefined ? {} : { startedAt: isoOf(startedAtMs) }),
    });
  }

  /** What runs already in that spec runs on. */
  #start(at: string, { mode, spec, restart }: Pick<Process, 'mode' | 'spec' | 'restart'>): void {
    const had = this.processes.get(at);
    const startedAtMs = had?.spec === spec && had.restart === restart ? had.startedAtMs : this.nowMs;
    this.processes.set(at, { mode, spec, restart, startedAtMs });
  }

  #say(at: string, said: Partial<InstanceStatus>): void {
    const had = this.statuses.get(at)?.value;
    const same =
      had !== undefined && Object.entries(said).every(([name, value]) => had[name as keyof InstanceStatus] === value);
    if (same) return;
    const [node, key] = at.split(' ') as [NodeId, string];
    const since = had !== undefined && had.phase === said.phase ? had.since : isoOf(this.nowMs);
    this.report(node, key, { since, ...said });
  }

  #nodeIds(): Set<NodeId> {
    const named = [...this.assignments.keys(), ...this.statuses.keys()].map((at) => at.split(' ')[0] as NodeId);
    return new Set([...this.records.keys(), ...this.presences.keys(), ...this.settings.keys(), ...named]);
  }

  #instanceKeys(): Set<InstanceKey> {
    const named = [...this.assignments.keys(), ...this.statuses.keys(), ...this.processes.keys()];
    return new Set([...this.instances.keys(), ...named.map((at) => at.split(' ')[1] as InstanceKey)]);
  }

  #nodeView(id: NodeId) {
    const record = this.records.get(id);
    const settings = this.settings.get(id) ?? { cordoned: false, draining: false, labels: {} };
    const goneAtMs = this.goneAtMs.get(id);
    return {
      id,
      record,
      presence: this.presences.get(id),
      settings,
      removal:
        settings.removal === undefined || this.presences.has(id)
          ? undefined
          : { force: settings.removal.force === true },
      labels: { ...record?.labels, ...settings.labels },
      absentForMs: goneAtMs === undefined ? undefined : this.nowMs - goneAtMs,
      lostSince: this.lostSince.get(id),
      trustAbsenceInMs: 0,
      ttlMs: TTL_MS,
      copies: new Map<InstanceKey, CopyView>(),
    };
  }

  #revisionOf(guard: StepGuard): number {
    switch (guard.kind) {
      case 'workload':
        return this.workloads.get(guard.name)?.revision ?? 0;
      case 'instance':
        return this.instances.get(guard.key)?.revision ?? 0;
      case 'assignment':
        return this.assignments.get(`${guard.node} ${guard.key}`)?.revision ?? 0;
      case 'status':
        return this.statuses.get(`${guard.node} ${guard.key}`)?.revision ?? 0;
      case 'presence':
        return this.presences.get(guard.node)?.revision ?? 0;
      case 'record':
        return this.records.has(guard.node) ? 1 : 0;
      case 'hold':
        return 0;
    }
  }
}

/** A process, and since when it runs. */
interface Process {
  readonly mode: 'keep' | 'stop';
  readonly spec: number;
  readonly restart: number | undefined;
  readonly startedAtMs: number;
}

/** The wall clock of all nodes: what is written is dated by it. */
function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

type MutableWorkload = WorkloadView & { instances: Map<InstanceView['slot'], InstanceView> };
