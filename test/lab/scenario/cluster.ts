import type { InstanceRow, NodeRow, NodeStateAnswer, WorkloadRow } from '../../../src/wire/answers.ts';
import { type Client, openClient } from '../../../src/wire/client.ts';
import { eventually } from '../../support/eventually.ts';
import type { CommandResult } from '../command.ts';
import type { Lab } from '../lab.ts';
import type { LabNode } from '../lab-node.ts';
import { EtcdStore } from './etcd-store.ts';
import { identities, type Runner, readRunners } from './machine-truth.ts';

/** How a command is given to `muster`. */
export interface MusterOptions {
  /** Whose `muster`; else the first that is on. */
  readonly on?: LabNode;
  readonly input?: string;
  /** Returns a failure instead of throwing it. */
  readonly reject?: boolean;
}

/** Between when a key has gone, in wall time: it was still there after the first, and was seen to be gone at the second. */
export interface Gone {
  readonly afterMs: number;
  readonly seenMs: number;
}

const answerLimitMs = 5_000;
/** An agent that is asked all the time does nothing else, and what it takes is measured. */
const askEveryMs = 100;

/** What scenarios do with the lab's cluster: as an operator through `muster`, and past it where they check on it. */
export class Cluster {
  readonly lab: Lab;
  readonly store: EtcdStore;
  /** Where the cluster lies in etcd. */
  readonly root: string;

  constructor(lab: Lab) {
    this.lab = lab;
    this.store = new EtcdStore(lab.etcdEndpoints);
    this.root = `/muster/${lab.clusterId}/`;
  }

  get nodes(): readonly LabNode[] {
    return this.lab.nodes;
  }

  get ttlMs(): number {
    return this.lab.ttlMs;
  }

  /** The nodes whose agent can be asked, as far as the lab knows. */
  get reachable(): readonly LabNode[] {
    return this.nodes.filter((node) => node.isOn && !node.isFrozen && node.metadata.clusterId === this.lab.clusterId);
  }

  /** Runs a command of muster as an operator on a node would. */
  async muster(args: readonly string[], options: MusterOptions = {}): Promise<CommandResult> {
    const node = options.on ?? this.#anyNode();
    return node.run(['muster', ...args], {
      timeoutMs: 120_000,
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.reject === undefined ? {} : { reject: options.reject }),
    });
  }

  /** The answer of a command with `--json`. */
  async musterJson<T>(args: readonly string[], options: MusterOptions = {}): Promise<T> {
    return JSON.parse((await this.muster([...args, '--json'], options)).stdout) as T;
  }

  /** `muster apply` of a unit file (its name ends in a unit's type) or of YAML, from standard input. */
  async apply(name: string, text: string, args: readonly string[] = [], options: MusterOptions = {}): Promise<string> {
    const named = /\.[a-z]+$/.test(name) ? ['--name', name] : [];
    const { stdout } = await this.muster(['apply', ...named, ...args, '-'], { ...options, input: text });
    return stdout;
  }

  /** Applies several and waits until all are healthy. */
  async applyAll(texts: Readonly<Record<string, string>>, options: MusterOptions = {}): Promise<void> {
    await Promise.all(Object.entries(texts).map(async ([name, text]) => this.apply(name, text, [], options)));
  }

  /** Applies several and waits until all run: only after some seconds of it would they count as healthy. */
  async startAll(texts: Readonly<Record<string, string>>): Promise<void> {
    await Promise.all(Object.entries(texts).map(async ([name, text]) => this.apply(name, text, ['--no-wait'])));
    await eventually(
      'all of it to run',
      30_000,
      async () => {
        const found = (await this.workloads()).filter(({ name }) => name in texts);
        const short = found.filter(({ summary }) => summary.running < Math.max(1, summary.wanted));
        if (found.length === Object.keys(texts).length && short.length === 0) return true;
        throw new Error(JSON.stringify(short.map(({ name, summary }) => [name, summary])));
      },
      askEveryMs,
    );
  }

  /** Asks an agent over its socket, past the command. */
  async ask<T>(question: (client: Client, signal: AbortSignal) => Promise<T>, node = this.#anyNode()): Promise<T> {
    const socketPath = `/proc/${node.leaderPid}/root/run/muster/muster.sock`;
    const client = openClient({ socketPath }, { timeoutMs: answerLimitMs });
    try {
      return await question(client, AbortSignal.timeout(2 * answerLimitMs));
    } finally {
      client.close();
    }
  }

  /** The copies of a workload, or of all. */
  async rows(workload?: string, node?: LabNode): Promise<readonly InstanceRow[]> {
    const filter = workload === undefined ? {} : { workload };
    return (await this.ask(async (client, signal) => client.instances(filter, signal), node)).rows;
  }

  async workloads(): Promise<readonly WorkloadRow[]> {
    return (await this.ask(async (client, signal) => client.workloads({}, signal))).workloads;
  }

  async nodeRows(node?: LabNode): Promise<readonly NodeRow[]> {
    return (await this.ask(async (client, signal) => client.nodes({}, signal), node)).nodes;
  }

  async nodeRow(node: LabNode): Promise<NodeRow> {
    const found = (await this.nodeRows()).find(({ hostname }) => hostname === node.name);
    if (found === undefined) throw new Error(`Cannot find ${node.name} in the cluster`);
    return found;
  }

  /** What a node's agent says of itself. */
  async stateOf(node: LabNode): Promise<NodeStateAnswer> {
    return this.ask(async (client, signal) => client.node(signal), node);
  }

  /** The node that leads, as soon as there is one that can be asked. */
  async leader(deadlineMs = 20_000): Promise<LabNode> {
    return eventually('a leader', deadlineMs, async () => {
      const { leader } = await this.ask(async (client, signal) => client.cluster(signal));
      return this.reachable.find(({ name }) => name === leader?.hostname);
    });
  }

  /** Takes the lead from whoever has it, as one does who deletes its election key. */
  async depose(): Promise<void> {
    const queue = await this.store.list(`${this.root}election/`);
    const [first] = queue.sort((a, b) => a.createRevision - b.createRevision);
    if (first === undefined) throw new Error('nobody leads');
    await this.store.delete(first.key);
  }

  /** The nodes besides this one. */
  others(node: LabNode): readonly LabNode[] {
    return this.reachable.filter((each) => each !== node);
  }

  /** Waits until the copies of a workload are as the check has it, and returns them. The check may throw to say what it misses. */
  async awaitRows(
    workload: string,
    what: string,
    deadlineMs: number,
    check: (rows: readonly InstanceRow[]) => boolean,
    node?: LabNode,
  ): Promise<readonly InstanceRow[]> {
    return eventually(
      `${workload}: ${what}`,
      deadlineMs,
      async () => {
        const rows = await this.rows(workload, node);
        if (check(rows)) return rows;
        throw new Error(describeRows(rows));
      },
      askEveryMs,
    );
  }

  /** Waits until so many instances run as current copies, and nothing else is left of the workload. */
  async awaitRunning(workload: string, count: number, deadlineMs = 20_000): Promise<readonly InstanceRow[]> {
    return this.awaitRows(workload, `${count} running`, deadlineMs, (rows) => {
      return rows.length === count && rows.every(({ phase, role }) => phase === 'running' && role === 'current');
    });
  }

  /** Waits until an agent says of itself what is expected. */
  async awaitState(
    node: LabNode,
    what: string,
    deadlineMs: number,
    check: (state: NodeStateAnswer) => boolean,
  ): Promise<NodeStateAnswer> {
    return eventually(
      `${node.name} ${what}`,
      deadlineMs,
      async () => {
        const state = await this.stateOf(node);
        if (check(state)) return state;
        throw new Error(JSON.stringify(state));
      },
      askEveryMs,
    );
  }

  async awaitJoined(node: LabNode, deadlineMs = 30_000): Promise<NodeStateAnswer> {
    return this.awaitState(node, 'joined', deadlineMs, ({ joined }) => joined);
  }

  /** The key of a node's presence. */
  async presenceKey(node: LabNode): Promise<string> {
    return `${this.root}nodes/${(await this.nodeRow(node)).id}/presence`;
  }

  /** Removes a volume once nothing uses it: a node removes a container a moment after its workload is gone from the store. */
  async removeVolume(node: LabNode, volume: string): Promise<void> {
    await eventually(`volume ${volume} removed`, 10_000, async () => {
      await node.run(['docker', 'volume', 'rm', volume]);
      return true;
    });
  }

  /** Waits until a key that is there is gone. */
  async awaitGone(key: string, deadlineMs: number): Promise<Gone> {
    let afterMs = Date.now();
    await eventually(`${key} gone`, deadlineMs, async () => {
      const askedMs = Date.now();
      if ((await this.store.get(key)) === undefined) return true;
      afterMs = askedMs;
      return false;
    });
    return { afterMs, seenMs: Date.now() };
  }

  /** Sees to it that the lead of etcd itself is on another machine: its election would add to what is measured. */
  async keepEtcdLeadOff(node: LabNode): Promise<void> {
    const own = `http://${node.address}:2379`;
    if ((await this.store.leaderEndpoint()) === own) {
      const other = this.lab.etcdEndpoints.find((endpoint) => endpoint !== own);
      await this.#moveEtcdLead(other ?? own);
    }
    await this.#awaitRenewed(node);
  }

  /** Sees to it that this machine leads etcd itself. */
  async keepEtcdLeadOn(node: LabNode): Promise<void> {
    await this.#moveEtcdLead(`http://${node.address}:2379`);
    await this.#awaitRenewed(node);
  }

  /** A member that lags behind can't take the lead yet. */
  async #moveEtcdLead(endpoint: string): Promise<void> {
    await eventually(`${endpoint} leads etcd`, 20_000, async () => {
      await this.store.moveLeader(endpoint);
      return (await this.store.leaderEndpoint()) === endpoint;
    });
  }

  /** A new leader of etcd prolongs all leases once, until their next renewal. */
  async #awaitRenewed(node: LabNode): Promise<void> {
    const lease = (await this.store.get(await this.presenceKey(node)))?.lease ?? '';
    await eventually(`${node.name}'s lease renewed`, 10_000, async () => {
      return (await this.store.leaseSeconds(lease)) < this.ttlMs / 1000;
    });
  }

  /** What systemd and dockerd themselves say of muster's units and containers. */
  async runners(nodes: readonly LabNode[] = this.nodes): Promise<Runner[]> {
    return readRunners(nodes);
  }

  /** What must not change when nothing may be disturbed. */
  async identities(nodes?: readonly LabNode[]): Promise<string[]> {
    return identities(await this.runners(nodes));
  }

  /** Where each instance is current, and how often the leader has moved it: it says whether anything has moved. */
  async placements(): Promise<string[]> {
    const records = await this.store.list(`${this.root}instances/`);
    return records.map(({ key, value }) => {
      const { copies, moves } = JSON.parse(value) as { copies: { node: string; role: string }[]; moves: unknown[] };
      const places = copies.map(({ node, role }) => `${node.slice(0, 8)} ${role}`).join(', ');
      return `${key.slice(this.root.length)}: ${places} (${moves.length} moves)`;
    });
  }

  #anyNode(): LabNode {
    const node = this.reachable[0];
    if (node === undefined) throw new Error('Cannot ask the cluster: expected a node that is switched on');
    return node;
  }
}

/** Rows in one line each, for what a wait says when it fails. */
export function describeRows(rows: readonly InstanceRow[]): string {
  const lines = rows.map(({ display, phase, role, node, healthy, reason }) => {
    return `${display} ${phase} ${role ?? ''} on ${node?.hostname ?? '-'}${healthy ? ', healthy' : ''}: ${reason ?? ''}`;
  });
  return lines.length === 0 ? 'no rows' : lines.join('; ');
}
