import { Election, type Leadership } from '../cluster/election.ts';
import { type Layout, makeLayout } from '../cluster/layout.ts';
import { type Membership, Registration } from '../cluster/registration.ts';
import type { Config } from '../config/read-config.ts';
import type { NodeId } from '../domain/ids.ts';
import { Leader } from '../leader/leader.ts';
import { supervise } from '../loop/supervise.ts';
import { defaultRestartPolicy } from '../node/instance-memory.ts';
import { Node } from '../node/node.ts';
import { makeNodeRecord } from './make-node-record.ts';
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
}

/** The agent as wired: a node's side, a registration, and a candidate for leader. */
export class Agent {
  readonly layout: Layout;
  readonly #config: Config;
  readonly #ports: Ports;
  readonly #facts: AgentFacts;
  readonly #nonce: string;
  readonly #node: Node;
  readonly #registration: Registration;
  readonly #watchers = new Set<() => void>();
  #election: Election | undefined;
  #isDeparting = false;

  constructor(config: Config, facts: AgentFacts, ports: Ports) {
    this.#config = config;
    this.#ports = ports;
    this.#facts = facts;
    this.#nonce = ports.makeNonce();
    this.layout = makeLayout(config.prefix, config.cluster);
    const { kv, runtimes, host, clock, log, random } = ports;
    this.#registration = new Registration({
      kv,
      layout: this.layout,
      node: facts.node,
      nonce: this.#nonce,
      makeRecord: (signal) => makeNodeRecord(config, facts.version, ports, signal),
      defaults: { ttlMs: config.ttlMs, agentAwayMs: config.agentAwayMs },
      clock,
      log,
      random,
      onChange: () => this.#changed(),
      onRenewed: () => this.#node.renewed(),
      whileMember: (membership, signal) => this.#whileMember(membership, signal),
    });
    this.#node = new Node({
      kv,
      layout: this.layout,
      clusterId: config.cluster,
      node: facts.node,
      runtimes,
      rights: this.#registration,
      host,
      clock,
      log,
      random,
      parallelism: config.parallelism ?? 2 * facts.cpus,
      restartPolicy: defaultRestartPolicy,
      offlineStartAfterMs: config.offlineStartAfterMs,
    });
  }

  get state(): AgentState {
    const { kind, text } = this.#registration.state;
    const leader = kind === 'joined' && this.#election?.term !== undefined;
    return { joined: kind === 'joined', leader, text: leader ? `${text}, leader` : text };
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
   * also where the store can't be told.
   */
  async depart(how: Departure, signal: AbortSignal): Promise<void> {
    this.#isDeparting = true;
    const ends = await Promise.allSettled([
      this.#election?.resign(signal),
      how === 'agent-stops' ? this.#registration.handOver(signal) : this.#registration.writeLeaving(signal),
      how === 'agent-stops' ? undefined : this.#node.leave(signal),
    ]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** After the end of {@link run}, when the machine stops: nothing of this node is left to wait for. */
  async withdraw(signal: AbortSignal): Promise<void> {
    await this.#registration.withdraw(signal);
  }

  async #whileMember(membership: Membership, signal: AbortSignal): Promise<void> {
    const { kv, clock, log, random } = this.#ports;
    await this.#node.registered(signal);
    if (!this.#config.leader || this.#isDeparting || signal.aborted) return;
    const { ttlMs } = membership.settings;
    const election = new Election({
      kv,
      layout: this.layout,
      node: this.#facts.node,
      nonce: this.#nonce,
      leaseId: membership.leaseId,
      guard: () => this.#registration.guard(),
      clock,
      log,
      random,
      standAsideMs: ttlMs,
      lead: (leadership, stop) => this.#lead(leadership, ttlMs, stop),
    });
    this.#election = election;
    await election.run(signal);
    this.#election = undefined;
  }

  async #lead(leadership: Leadership, ttlMs: number, signal: AbortSignal): Promise<void> {
    const { kv, clock, log, random } = this.#ports;
    this.#changed();
    const leader = new Leader({ kv, layout: this.layout, clock, log, random, ttlMs });
    try {
      await leader.run(leadership, signal);
    } finally {
      this.#changed();
    }
  }

  #changed(): void {
    this.#node.nudge();
    for (const watcher of this.#watchers) watcher();
  }
}

/** Wires the agent; nothing runs yet. The simulation composes it too. */
export function composeAgent(config: Config, facts: AgentFacts, ports: Ports): Agent {
  return new Agent(config, facts, ports);
}
