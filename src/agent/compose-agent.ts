import { Election, type Leadership } from '../cluster/election.ts';
import { type Layout, makeLayout } from '../cluster/layout.ts';
import { observeStore } from '../cluster/observe-store.ts';
import { Registration } from '../cluster/registration.ts';
import type { Membership } from '../cluster/registration-options.ts';
import { type StoreHealth, StoreHealthMonitor } from '../cluster/store-health.ts';
import { StorePulse, tapLeases } from '../cluster/store-pulse.ts';
import { tapCalls } from '../cluster/tap-calls.ts';
import { TrustedKv } from '../cluster/trusted-kv.ts';
import type { Config } from '../config/read-config.ts';
import type { NodeId } from '../domain/ids.ts';
import type { ClusterSettings } from '../domain/node.ts';
import type { Kv } from '../etcd/port.ts';
import type { LeaseSplit } from '../etcd/session.ts';
import { Leader } from '../leader/leader.ts';
import { supervise } from '../loop/supervise.ts';
import { meterRuntimes } from '../metrics/metered-runtime.ts';
import { Metrics, type Reading } from '../metrics/metrics.ts';
import { defaultRestartPolicy } from '../node/instance-memory.ts';
import { Node, type NodeFigures } from '../node/node.ts';
import { readAgent } from './agent-readings.ts';
import { makeNodeRecord } from './make-node-record.ts';
import { Meters } from './meters.ts';
import type { Ports } from './ports.ts';

/** What is fixed before the agent is composed. */
export interface AgentFacts {
  readonly node: NodeId;
  readonly version: string;
  readonly cpus: number;
}

/** How the agent ends: it alone (what runs stays), or with the machine. */
export type Departure = 'agent-stops' | 'machine-stops';

/** What the agent stands at, for the API, for systemd's STATUS and for `muster wait`. */
export interface AgentState {
  readonly joined: boolean;
  readonly leader: boolean;
  readonly text: string;
  /** How the store does, as this agent sees it. */
  readonly store: StoreHealth;
}

/** The agent as wired: a node's side, a registration, and a candidate for leader. */
export class Agent {
  readonly layout: Layout;
  readonly metrics = new Metrics();
  /** The store as it answers: for reads that nothing acts on. */
  readonly kv: Kv;
  readonly #meters = new Meters(this.metrics);
  readonly #config: Config;
  readonly #ports: Ports;
  readonly #facts: AgentFacts;
  readonly #nonce: string;
  readonly #node: Node;
  readonly #registration: Registration;
  readonly #pulse: StorePulse;
  readonly #monitor: StoreHealthMonitor;
  /** The store for all that acts on what it says. */
  readonly #trusted: Kv;
  readonly #watchers = new Set<() => void>();
  #election: Election | undefined;
  #leader: Leader | undefined;
  #isDeparting = false;

  constructor(config: Config, facts: AgentFacts, ports: Ports) {
    this.#config = config;
    this.#ports = ports;
    this.#facts = facts;
    this.#nonce = ports.makeNonce();
    this.layout = makeLayout(config.prefix, config.cluster);
    const { clock, log } = ports;
    this.#monitor = new StoreHealthMonitor(clock, log, () => this.#changed());
    this.kv = tapCalls(ports.kv, clock, this.#meters.call);
    const observed = observeStore(this.kv, this.#monitor, clock);
    this.#pulse = new StorePulse(clock);
    this.#registration = this.#makeRegistration(tapLeases(observed, this.#pulse));
    this.#trusted = new TrustedKv(observed, this.#registration.trust, clock);
    this.#node = new Node({
      ...ports,
      kv: this.#trusted,
      runtimes: meterRuntimes(ports.runtimes, this.metrics, clock),
      onPass: this.#meters.nodePass,
      layout: this.layout,
      clusterId: config.cluster,
      node: facts.node,
      rights: this.#registration,
      parallelism: config.parallelism ?? 2 * facts.cpus,
      restartPolicy: defaultRestartPolicy,
      offlineStartAfterMs: config.offlineStartAfterMs,
    });
    this.metrics.addSource(() => this.#read());
  }

  get state(): AgentState {
    const { kind, text } = this.#registration.state;
    const leader = kind === 'joined' && this.#election?.term !== undefined;
    const store = this.#store;
    const said = leader ? `${text}, leader` : text;
    const isWorthSaying = kind === 'joined' && store.state !== 'good' && store.state !== 'unknown';
    return { joined: kind === 'joined', leader, store, text: isWorthSaying ? `${said}; ${store.text}` : said };
  }

  /** Whether it does its work. */
  get health(): Pick<NodeFigures, 'hasObserved' | 'unreadable'> {
    return this.#node.figures;
  }

  get #store(): StoreHealth {
    const { health } = this.#monitor;
    const { trust } = this.#registration;
    return trust.doubt === undefined ? health : { ...health, state: 'in-doubt', text: trust.doubt };
  }

  /** Resolves once the runtimes have been observed for the first time. */
  get observedOnce(): Promise<void> {
    return this.#node.observedOnce;
  }

  /** False when a pass has hung for longer than `limitMs`. */
  isAlive(limitMs: number): boolean {
    return this.#node.isAlive(limitMs);
  }

  /** Calls `onChange` after each change of {@link state}; returns the way to stop that. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  /** Runs until the signal aborts; rejects when it can't go on as this node. Ends without touching what runs. */
  async run(signal: AbortSignal): Promise<void> {
    await supervise(
      [
        { name: 'node', run: (stop) => this.#node.run(stop) },
        { name: 'registration', run: (stop) => this.#registration.run(stop) },
      ],
      signal,
    );
  }

  /**
   * Before the end of {@link run}: resigns, and says how this node ends. For a machine that stops, its `stop` instances end,
   * also where the store can't be told; all of it is to take no longer than `limitMs`.
   */
  async depart(how: Departure, limitMs: number, signal: AbortSignal): Promise<void> {
    this.#isDeparting = true;
    const ends = await Promise.allSettled([
      this.#election?.resign(signal),
      how === 'agent-stops' ? this.#registration.handOver(signal) : this.#registration.writeLeaving(signal),
      how === 'agent-stops' ? undefined : this.#node.leave(limitMs, signal),
    ]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** After the end of {@link run}, when the machine stops: nothing of this node is left to wait for. */
  async withdraw(signal: AbortSignal): Promise<void> {
    await this.#registration.withdraw(signal);
  }

  #read(): readonly Reading[] {
    const registration = this.#registration;
    return readAgent({
      nowMs: this.#ports.clock.monotonicMs(),
      state: registration.state.kind,
      isFenced: registration.isFenced(),
      lease: registration.lease,
      store: this.#store.state,
      revision: this.#meters.revision,
      endpoints: this.#ports.endpoints,
      node: this.#node.figures,
      term: this.state.leader ? this.#election?.term?.createRevision : undefined,
      leader: this.#leader?.figures,
    });
  }

  #makeRegistration(kv: Kv): Registration {
    const config = this.#config;
    return new Registration({
      ...this.#ports,
      kv,
      layout: this.layout,
      node: this.#facts.node,
      nonce: this.#nonce,
      makeRecord: (signal) => makeNodeRecord(config, this.#facts.version, this.#ports, signal),
      defaults: clusterDefaults(config),
      split: splitOf(config),
      files: this.#ports.host.stateFiles,
      onChange: () => this.#changed(),
      onRenewed: () => this.#node.renewed(),
      whileMember: (membership, signal) => this.#whileMember(membership, signal),
    });
  }

  async #whileMember(membership: Membership, signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#ports;
    await this.#node.registered(signal);
    if (!this.#config.leader || this.#isDeparting || signal.aborted) return;
    const { settings } = membership;
    const election = new Election({
      kv: this.#trusted,
      layout: this.layout,
      node: this.#facts.node,
      nonce: this.#nonce,
      leaseId: membership.leaseId,
      guard: () => this.#registration.guard(),
      clock,
      log,
      random,
      standAsideMs: settings.ttlMs,
      pulse: this.#pulse,
      ttlMs: settings.ttlMs,
      timing: splitOf(this.#config),
      lead: (leadership, stop) => this.#lead(leadership, settings, stop),
    });
    this.#election = election;
    await election.run(signal);
    this.#election = undefined;
  }

  async #lead(leadership: Leadership, settings: ClusterSettings, signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#ports;
    this.#changed();
    const { ttlMs } = settings;
    const parts = { kv: this.#trusted, layout: this.layout, clock, log, random };
    const meters = { onPass: this.#meters.leaderPass, onStep: this.#meters.step };
    const timing = splitOf(this.#config);
    const leader = new Leader({ ...parts, ...meters, ttlMs, settings, timing, pulse: this.#pulse });
    this.#leader = leader;
    this.#meters.termBegan();
    try {
      await leader.run(leadership, signal);
    } finally {
      this.#leader = undefined;
      this.#changed();
    }
  }

  #changed(): void {
    this.#node.nudge();
    for (const watcher of this.#watchers) watcher();
  }
}

/** What the first agent of a cluster writes down for all. */
function clusterDefaults(config: Config): Omit<ClusterSettings, 'layout' | 'epoch'> {
  const { ttlMs, agentAwayMs, massLossShare: share, massLossNodes: nodes, massLossHoldMs: holdMs } = config;
  return {
    ttlMs,
    agentAwayMs,
    massLoss: { nodes, ...(share === undefined ? {} : { share }), ...(holdMs === undefined ? {} : { holdMs }) },
    calm: { firstMs: config.calmFirstMs, mostMs: config.calmMostMs },
  };
}

function splitOf(config: Config): LeaseSplit {
  return {
    renewPart: config.leaseRenewPart,
    attemptPart: config.leaseAttemptPart,
    fencePart: config.leaseFencePart,
    killPart: config.leaseKillPart,
  };
}

/** Wires the agent; nothing runs yet. The simulation composes it too. */
export function composeAgent(config: Config, facts: AgentFacts, ports: Ports): Agent {
  return new Agent(config, facts, ports);
}
