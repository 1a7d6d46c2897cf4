import { type Layout, makeLayout } from '../../src/cluster/layout.ts';
import { ANYWHERE, type WorkloadDocument } from '../../src/domain/document.ts';
import { type NodeId, parseClusterId, parseNodeId, parseWorkloadName } from '../../src/domain/ids.ts';
import type { RunSpec } from '../../src/domain/spec.ts';
import { openKv } from '../../src/etcd/open-kv.ts';
import type { Kv } from '../../src/etcd/port.ts';
import { silentLog } from '../../src/loop/log.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import type { LabNode } from '../../test/lab/lab-node.ts';
import { Cluster } from '../../test/lab/scenario/cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { BenchContext } from './bench-case.ts';
import { Recorder } from './recorder.ts';

/** What a document may say besides its name and what it runs. */
export interface Wish {
  /** Runs on this node alone. */
  readonly on?: LabNode;
  readonly replicas?: number;
  readonly disconnect?: 'keep' | 'stop';
}

/** The lab's cluster as cases use it: all three nodes joined, one leading, its store within the host's reach. */
export class BenchCluster {
  readonly cluster: Cluster;
  readonly kv: Kv;
  readonly layout: Layout;

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.kv = openKv({ endpoints: cluster.lab.etcdEndpoints }, systemClock, silentLog);
    this.layout = makeLayout('/muster', parseClusterId(cluster.lab.clusterId));
  }

  static async open(context: BenchContext): Promise<BenchCluster> {
    const bench = new BenchCluster(new Cluster(await context.lab()));
    await bench.awaitWhole();
    return bench;
  }

  get nodes(): readonly LabNode[] {
    return this.cluster.nodes;
  }

  /** All nodes on and joined, and one of them leads. */
  async awaitWhole(): Promise<LabNode> {
    await this.cluster.lab.awaitEtcd();
    await Promise.all(this.nodes.map(async (node) => this.cluster.awaitJoined(node, 60_000)));
    return this.cluster.leader(60_000);
  }

  /** The leader, a node to measure on that does not lead, and the third. */
  async roles(): Promise<{ readonly leader: LabNode; readonly follower: LabNode; readonly other: LabNode }> {
    const leader = await this.cluster.leader();
    const [follower, other] = this.nodes.filter((node) => node !== leader);
    if (follower === undefined || other === undefined) throw new Error('Cannot measure: expected three nodes');
    return { leader, follower, other };
  }

  async idOf(node: LabNode): Promise<NodeId> {
    return parseNodeId((await this.cluster.nodeRow(node)).id);
  }

  /** Records the changes of one kind of key, given by the layout's range. */
  async record(range: string): Promise<Recorder> {
    return Recorder.open(this.kv, range);
  }

  document(name: string, run: RunSpec, wish: Wish = {}): WorkloadDocument {
    return {
      name: parseWorkloadName(name),
      run,
      scale: { kind: 'replicas', replicas: wish.replicas ?? 1 },
      placement: { ...ANYWHERE, machineIds: wish.on === undefined ? [] : [wish.on.machineId] },
      disconnect: { mode: wish.disconnect ?? 'keep' },
      moveOrder: wish.disconnect === 'stop' ? 'stop-first' : 'start-first',
      sticky: false,
    };
  }

  /** Gives workloads to the agent of a node, several at a time. */
  async apply(via: LabNode, documents: readonly WorkloadDocument[]): Promise<void> {
    await this.#each(documents, async (document) => {
      await this.cluster.ask(async (client, signal) => client.apply(document, signal), via);
    });
  }

  /** Removes workloads and waits until nothing of them is left in the store. */
  async remove(via: LabNode, names: readonly string[]): Promise<void> {
    await this.#each(names, async (name) => {
      await this.cluster.ask(async (client, signal) => client.remove(name, signal), via);
    });
    await this.awaitEmpty();
  }

  /** No workload is left, nor an instance, an order or a status of one. */
  async awaitEmpty(): Promise<void> {
    const { workloads, instances, assignments, statuses } = this.layout;
    await eventually('a cluster without work', 120_000, async () => {
      for (const range of [workloads, instances, assignments, statuses]) {
        const { kvs } = await this.kv.list(range, AbortSignal.timeout(5_000));
        if (kvs.length > 0) throw new Error(`${kvs.length} keys below ${range}`);
      }
      return true;
    });
  }

  close(): void {
    this.kv.close();
  }

  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const queue = items.values();
    const drain = async () => {
      for (const item of queue) await work(item);
    };
    await Promise.all(Array.from({ length: Math.min(8, items.length) }, drain));
  }
}

/** Opens the cluster for a case and closes what it has opened, however the case ends. */
export async function* withCluster<T>(
  context: BenchContext,
  measure: (bench: BenchCluster) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const bench = await BenchCluster.open(context);
  try {
    yield* measure(bench);
  } finally {
    bench.close();
  }
}
