import { type Agent, composeAgent, type Departure } from '../../src/agent/compose-agent.ts';
import { runUntilStopped } from '../../src/agent/departure.ts';
import type { Config } from '../../src/config/read-config.ts';
import type { InstanceKey, NodeId } from '../../src/domain/ids.ts';
import type { RuntimeKind } from '../../src/domain/spec.ts';
import type { Host } from '../../src/host/port.ts';
import type { Log, LogMethod } from '../../src/loop/log.ts';
import type { StartOrder } from '../../src/runtime/port.ts';
import { FakeHost } from '../support/fake-host.ts';
import type { FakeBehaviour, FakeItem } from '../support/fake-machine.ts';
import { openFakeRuntime } from '../support/fake-runtime.ts';
import type { KvFaults, MemoryKv } from '../support/memory-kv.ts';
import { CrashPlan } from './crash-plan.ts';
import { makeForeignOrder } from './documents.ts';
import type { SeededRandom } from './seeded-random.ts';
import { SimDaemon } from './sim-daemon.ts';
import { SimKv } from './sim-kv.ts';
import { SimProcess } from './sim-process.ts';
import { SimRuntime } from './sim-runtime.ts';
import { SimSwitch } from './sim-switch.ts';
import type { SimWorld } from './sim-world.ts';

/** A request that a killed process had sent is answered within this time; what takes longer (a pull) it had to follow up itself. */
const REQUEST_MS = 100;

/** muster.service has `RestartSec=1`. */
const RESTART_MS = 1_000;

/** Of the TTL, from the SIGTERM of the dead man's switch to its SIGKILL. */
const FENCE_GRACE_PART = 0.1;

/** A `stop` instance is to end once no renewal was answered for this part of the TTL. */
export const FENCE_PART = 0.6;

/** One agent process on a machine. */
interface Running {
  readonly process: SimProcess;
  readonly kv: MemoryKv;
  readonly agent: Agent;
  readonly stop: AbortController;
  /** Resolves when it has ended in order; never after a kill, but for a crash while it was stopped. */
  readonly ended: Promise<void>;
  readonly endedByCrash: () => void;
}

/** One simulated machine: its daemons, its network to the store, and the agent that systemd keeps running on it. */
export class SimMachine {
  readonly name: string;
  readonly node: NodeId;
  readonly host: FakeHost;
  readonly docker: SimDaemon;
  readonly systemd: SimDaemon;
  readonly config: Config;
  isOn = false;
  /** The writes of its agents, and at which of them one is to end. */
  readonly crashPlan = new CrashPlan();
  /** When the last answered renewal of its lease was sent. */
  leaseSentAtMs = Number.NEGATIVE_INFINITY;
  /** When a renewal was last answered after so long a silence that its `stop` instances had to end. */
  leaseDoubtEndedAtMs = Number.NEGATIVE_INFINITY;
  /** The furthest that its present agent has heard of the store, before that was set back. */
  #heardRevision = 0;
  /** When it last heard of it as less far than it knew it. */
  heardOlderAtMs = Number.NEGATIVE_INFINITY;
  /** When its present agent was started, or went on after it had been frozen. */
  agentSinceMs = Number.NEGATIVE_INFINITY;
  /** When it last went on after it had stood still as a whole. */
  movesSinceMs = Number.NEGATIVE_INFINITY;
  readonly #world: SimWorld;
  readonly #random: SeededRandom;
  readonly #network: Partial<KvFaults> = {};
  /** Everything on it but the agent: its daemons, what they run, and the dead man's switch. */
  readonly #hardware: SimProcess;
  readonly #switch: SimSwitch;
  #running: Running | undefined;
  #boots = 0;
  #processes = 0;

  constructor(world: SimWorld, options: { readonly name: string; readonly id: string; readonly config: Config }) {
    const { name, id, config } = options;
    this.#world = world;
    this.#random = world.random.fork();
    this.name = name;
    this.node = id.repeat(32) as NodeId;
    this.config = config;
    this.host = new FakeHost({
      nodeId: this.node,
      machineId: id.repeat(32),
      bootId: 'none',
      productUuid: `uuid-${name}`,
      hostname: name,
    });
    this.#hardware = new SimProcess(world.clock);
    this.#switch = new SimSwitch({
      clock: this.#hardware.clock,
      graceMs: config.ttlMs * FENCE_GRACE_PART,
      onTerm: () => this.#fence('term'),
      onKill: () => this.#fence('kill'),
    });
    const forbid = ({ disconnect }: StartOrder) =>
      disconnect === 'stop' && !this.#switch.isUp ? 'muster-lease.target is not up' : undefined;
    const makeDaemon = (kind: RuntimeKind) =>
      new SimDaemon(
        kind,
        { clock: this.#hardware.clock, startMs: 30, stopMs: 50, behave: (order) => this.#behave(order.key), forbid },
        { onBegin: (item) => world.witness.began(this, item), onEnd: (item) => world.witness.ended(this, item) },
      );
    this.docker = makeDaemon('docker');
    this.systemd = makeDaemon('systemd');
    // What the host has of its own, and what another cluster's agent has left behind: neither is ours to touch.
    this.docker.add(undefined, makeForeignOrder('hostbox/0'));
    this.systemd.add(undefined, makeForeignOrder('hostd.service/0'));
  }

  get daemons(): readonly SimDaemon[] {
    return [this.systemd, this.docker];
  }

  get hasAgent(): boolean {
    return this.#running !== undefined;
  }

  get isFrozen(): boolean {
    return this.#running?.process.isFrozen === true;
  }

  get isStopping(): boolean {
    return this.#running?.stop.signal.aborted === true;
  }

  get isJoined(): boolean {
    return this.#running?.agent.state.joined === true;
  }

  get isLeader(): boolean {
    return this.#running?.agent.state.leader === true;
  }

  /** Calls to the store by the present agent, by method. */
  get storeCalls(): ReadonlyMap<string, number> {
    return new Map(this.#running?.kv.calls);
  }

  /** What the present agent waits for: timers and calls. */
  get pending(): number {
    return this.#running?.process.pending ?? 0;
  }

  /** Everything of a cluster's that is on it, whatever its state. */
  get items(): readonly FakeItem[] {
    return this.daemons.flatMap((daemon) => [...daemon.items.values()].filter((item) => item.cluster !== undefined));
  }

  item(key: InstanceKey): FakeItem | undefined {
    return this.docker.items.get(key) ?? this.systemd.items.get(key);
  }

  isRunning(key: InstanceKey): boolean {
    const phase = this.item(key)?.phase;
    return phase === 'running' || phase === 'stopping';
  }

  get running(): InstanceKey[] {
    return this.items.filter(({ phase }) => phase === 'running' || phase === 'stopping').map(({ order }) => order.key);
  }

  /** Powers it on: a new boot, and the agent with it. */
  boot(): void {
    if (this.isOn) return;
    this.#boots += 1;
    this.isOn = true;
    this.host.shutsDown = false;
    this.host.current = { ...this.host.current, bootId: `${this.name}-boot-${this.#boots}` };
    for (const daemon of this.daemons) {
      for (const item of daemon.items.values()) if (item.cluster === undefined) daemon.begin(item);
    }
    this.startAgent();
  }

  /** The power goes: everything on it ends this instant. */
  powerOff(): void {
    if (!this.isOn) return;
    this.isOn = false;
    this.killAgent(true);
    this.#hardware.forget();
    this.#switch.powerOff();
    for (const daemon of this.daemons) daemon.powerOff();
  }

  /** The whole machine stands still, as a VM that is paused: nothing on it runs, and its clock goes on. */
  freeze(): void {
    if (!this.isOn) return;
    this.#hardware.freeze();
    this.freezeAgent();
  }

  /** It goes on; whatever was due meanwhile comes at once. */
  thaw(): void {
    if (!this.#hardware.isFrozen) return;
    this.movesSinceMs = this.#world.clock.monotonicMs();
    this.#hardware.thaw();
    this.thawAgent();
    this.#world.witness.thawed(this);
  }

  /** Its power is on and it doesn't stand still: what is on it runs. */
  get isMoving(): boolean {
    return this.isOn && !this.#hardware.isFrozen;
  }

  /** `systemctl poweroff`: muster.service is stopped first, then the power goes. */
  async shutDown(): Promise<void> {
    if (!this.isOn) return;
    this.host.shutsDown = true;
    await this.stopAgent();
    this.powerOff();
  }

  /** systemd starts muster.service. */
  startAgent(): void {
    if (!this.isOn || this.#running !== undefined) return;
    const process = new SimProcess(this.#world.clock);
    const client = this.#world.store.client(this.name);
    client.setFaults(this.#network);
    const kv = new SimKv(client, process, {
      onKey: (key) => this.#world.witness.touched(this, key),
      onLease: (sentAtMs) => this.#leaseAnswered(sentAtMs),
      onRevision: (revision) => this.#hear(revision),
      onWrite: (what) => this.crashPlan.next(what),
      crash: () => this.#crash(),
    });
    const random = this.#random.fork();
    const nonce = `${this.name}-${++this.#processes}`;
    const log = this.#makeLog();
    const runtimes = this.daemons.map((daemon) => this.#openRuntime(daemon, process));
    const ports = {
      kv,
      runtimes,
      host: this.#hostFor(process),
      clock: process.clock,
      log,
      random: () => random.next(),
      makeNonce: () => nonce,
    };
    const agent = composeAgent(this.config, { node: this.node, version: '0', cpus: 2 }, ports);
    const stop = new AbortController();
    const howToEnd = async (): Promise<Departure> =>
      (await this.host.isShuttingDown(new AbortController().signal)) ? 'machine-stops' : 'agent-stops';
    const ended = Promise.withResolvers<void>();
    const ends = { ended: ended.promise, endedByCrash: ended.resolve };
    const running: Running = { process, kv: client, agent, stop, ...ends };
    this.#running = running;
    this.agentSinceMs = process.clock.monotonicMs();
    this.#heardRevision = 0;
    this.heardOlderAtMs = Number.NEGATIVE_INFINITY;
    const { shutdownGraceMs } = this.config;
    const work = runUntilStopped({ agent, clock: process.clock, log, shutdownGraceMs, howToEnd }, stop.signal);
    work
      .then(
        () => this.#agentEnded(running, undefined),
        (error: unknown) => this.#agentEnded(running, error),
      )
      .then(ended.resolve, ended.reject);
  }

  /** kill -9 of the agent; what it was just asking for is lost with it, or done without it. */
  killAgent(cutCalls = this.#random.chance(0.5)): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.process.kill();
    if (cutCalls) running.process.cutCalls();
    else this.#world.clock.after(REQUEST_MS, () => running.process.cutCalls());
  }

  /** kill -9 at this instant; systemd starts it again, unless it had been told to stop it. */
  #crash(): void {
    if (this.#running === undefined) return;
    this.#world.note(this.name, `CRASH at write ${this.crashPlan.writes.length}: ${this.crashPlan.writes.at(-1)}`);
    const running = this.#running;
    this.killAgent();
    if (running.stop.signal.aborted) running.endedByCrash();
    else this.#world.clock.after(RESTART_MS, () => this.startAgent());
  }

  /** systemctl stop: resolves when it has ended. */
  async stopAgent(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.stop.abort();
    await running.ended;
  }

  freezeAgent(): void {
    this.#running?.process.freeze();
  }

  thawAgent(): void {
    if (!this.isMoving || !this.isFrozen) return;
    this.agentSinceMs = this.#world.clock.monotonicMs();
    this.#running?.process.thaw();
  }

  /** What is wrong between this machine and the store, for this agent and those to come. */
  setNetwork(faults: Partial<KvFaults>): void {
    Object.assign(this.#network, { ...faults, loseReplies: 0, lateByMs: 0 });
    this.#running?.kv.setFaults(faults);
  }

  /** The daemon's API goes away or comes back; what runs below it doesn't notice. */
  setAway(kind: RuntimeKind, isAway: boolean): void {
    if (!this.isOn) return;
    const daemon = kind === 'docker' ? this.docker : this.systemd;
    daemon.setAway(isAway);
    if (isAway) this.#running?.process.breakCalls(kind, () => SimRuntime.away());
  }

  /** Until presence is this process's, renewals of the lease that it's bound to prove nothing. */
  #leaseAnswered(sentAtMs: number): void {
    if (!this.isJoined) return;
    const nowMs = this.#world.clock.monotonicMs();
    if (nowMs - this.leaseSentAtMs >= FENCE_PART * this.config.ttlMs) this.leaseDoubtEndedAtMs = nowMs;
    this.leaseSentAtMs = Math.max(this.leaseSentAtMs, sentAtMs);
  }

  #openRuntime(daemon: SimDaemon, process: SimProcess): SimRuntime {
    const onStop = (key: InstanceKey) => {
      this.#world.witness.stopAsked(this, key);
      daemon.stopWasAsked(key);
    };
    const inner = openFakeRuntime(daemon, this.config.cluster, daemon.kind);
    return new SimRuntime(inner, process, { onStop }, () => this.#world.observeDelayMs(this.#random));
  }

  /** The machine as one agent process sees it. */
  #hostFor(process: SimProcess): Host {
    const { host } = this;
    return {
      deadMansSwitch: this.#switch.openFor(process),
      stateFiles: host.stateFiles,
      watchdogIntervalMs: undefined,
      identity: () => host.identity(),
      capacity: () => host.capacity(),
      addresses: () => host.addresses(),
      notify: (lines) => host.notify(lines),
      releaseMemory: () => host.releaseMemory(),
      isShuttingDown: (signal) => host.isShuttingDown(signal),
    };
  }

  /** The dead man's switch has fired. */
  #fence(what: 'term' | 'kill'): void {
    const running = this.items.filter(({ order }) => order.disconnect === 'stop' && this.isRunning(order.key));
    const keys = running.map(({ order }) => order.key);
    this.#world.witness.fenced(this, what, keys);
    for (const daemon of this.daemons) {
      if (what === 'term') daemon.endStops();
      else daemon.killStops();
    }
  }

  #hear(revision: number): void {
    if (!this.#world.witness.history.isInDoubt) this.#heardRevision = Math.max(this.#heardRevision, revision);
    else if (revision < this.#heardRevision) this.heardOlderAtMs = this.#world.clock.monotonicMs();
  }

  #agentEnded(running: Running, error: unknown): void {
    if (this.#running === running) this.#running = undefined;
    running.process.kill();
    running.process.cutCalls();
    if (error !== undefined) this.#world.witness.agentFailed(this, error);
  }

  #behave(key: InstanceKey): FakeBehaviour {
    return this.#world.behaviour(this, key);
  }

  #makeLog(): Log {
    const method = (level: string): LogMethod => {
      return (first: unknown, message?: string) =>
        this.#world.noteLog(this, level, typeof first === 'string' ? {} : (first as object), message ?? String(first));
    };
    return { debug: () => {}, info: method('info'), warn: method('warn'), error: method('error') };
  }
}
