import { type Agent, composeAgent, type Departure } from '../../src/agent/compose-agent.ts';
import { runUntilStopped } from '../../src/agent/departure.ts';
import type { Config } from '../../src/config/read-config.ts';
import type { InstanceKey, NodeId } from '../../src/domain/ids.ts';
import type { RuntimeKind } from '../../src/domain/spec.ts';
import type { Log, LogMethod } from '../../src/loop/log.ts';
import { FakeHost } from '../support/fake-host.ts';
import type { FakeBehaviour, FakeItem } from '../support/fake-machine.ts';
import { openFakeRuntime } from '../support/fake-runtime.ts';
import type { KvFaults, MemoryKv } from '../support/memory-kv.ts';
import { makeForeignOrder } from './documents.ts';
import type { SeededRandom } from './seeded-random.ts';
import { SimDaemon } from './sim-daemon.ts';
import { SimKv } from './sim-kv.ts';
import { SimProcess } from './sim-process.ts';
import { SimRuntime } from './sim-runtime.ts';
import type { SimWorld } from './sim-world.ts';

/** A request that a killed process had sent is answered within this time; what takes longer (a pull) it had to follow up itself. */
const REQUEST_MS = 100;

/** A `stop` instance is to end once no renewal was answered for this part of the TTL. */
export const FENCE_PART = 0.6;

/** One agent process on a machine. */
interface Running {
  readonly process: SimProcess;
  readonly kv: MemoryKv;
  readonly agent: Agent;
  readonly stop: AbortController;
  /** Resolves when it has ended in order; never after a kill. */
  readonly ended: Promise<void>;
  /** Since when it has been a member, without having been frozen: then it knows its orders and its deadline. */
  memberSinceMs: number | undefined;
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
  /** When the last answered renewal of its lease was sent. */
  leaseSentAtMs = Number.NEGATIVE_INFINITY;
  /** When a renewal was last answered after so long a silence that its `stop` instances had to end. */
  leaseDoubtEndedAtMs = Number.NEGATIVE_INFINITY;
  /** When a frozen agent of it last went on. */
  thawedAtMs = Number.NEGATIVE_INFINITY;
  readonly #world: SimWorld;
  readonly #random: SeededRandom;
  readonly #network: Partial<KvFaults> = {};
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
    const makeDaemon = (kind: RuntimeKind) =>
      new SimDaemon(
        kind,
        { clock: world.clock, startMs: 30, stopMs: 50, behave: (order) => this.#behave(order.key) },
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

  /** See {@link Running}. */
  get memberSinceMs(): number | undefined {
    return this.#running?.memberSinceMs;
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
    for (const daemon of this.daemons) daemon.powerOff();
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
    });
    const random = this.#random.fork();
    const nonce = `${this.name}-${++this.#processes}`;
    const log = this.#makeLog();
    const runtimes = this.daemons.map((daemon) => this.#openRuntime(daemon, process));
    const ports = {
      kv,
      runtimes,
      host: this.host,
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
    const running: Running = { process, kv: client, agent, stop, ended: ended.promise, memberSinceMs: undefined };
    this.#running = running;
    agent.watch(() => {
      if (agent.state.joined) running.memberSinceMs ??= process.clock.monotonicMs();
    });
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

  /** systemctl stop: resolves when it has ended. */
  async stopAgent(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.stop.abort();
    await running.ended;
  }

  freezeAgent(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.process.freeze();
    running.memberSinceMs = undefined;
  }

  thawAgent(): void {
    const running = this.#running;
    if (running === undefined || !running.process.isFrozen) return;
    running.process.thaw();
    this.thawedAtMs = this.#world.clock.monotonicMs();
    if (running.agent.state.joined) running.memberSinceMs = this.#world.clock.monotonicMs();
  }

  /** What is wrong between this machine and the store, for this agent and those to come. */
  setNetwork(faults: Partial<KvFaults>): void {
    Object.assign(this.#network, { ...faults, loseReplies: 0 });
    this.#running?.kv.setFaults(faults);
  }

  /** The daemon's API goes away or comes back; what runs below it doesn't notice. */
  setAway(kind: RuntimeKind, isAway: boolean): void {
    if (!this.isOn) return;
    const daemon = kind === 'docker' ? this.docker : this.systemd;
    daemon.setAway(isAway);
    if (isAway) this.#running?.process.breakCalls(kind, () => SimRuntime.away());
  }

  #leaseAnswered(sentAtMs: number): void {
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
