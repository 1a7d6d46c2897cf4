import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareLog } from '../lab/checker/beating-work.ts';
import { type Evidence, judge, type Verdict } from '../lab/checker/judge.ts';
import { nowMs, type Run, RunLog } from '../lab/checker/run-log.ts';
import { findReasons, StoreHistory } from '../lab/checker/store-history.ts';
import { TokenStore } from '../lab/checker/token-store.ts';
import { Lab, type LabOptions } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { Cluster } from '../lab/scenario/cluster.ts';
import { resetCluster } from '../lab/scenario/reset.ts';
import { eventually } from '../support/eventually.ts';
import { FaultLog } from './fault-log.ts';

/** Of the TTL: a renewal's interval and the fence's grace, for which a copy may run on after a thaw of its machine. */
const thawBoundPart = 0.25 + 0.2;

/** A lab whose work notes when it runs, with all that is needed to judge what happened on it. */
export class Field {
  readonly lab: Lab;
  readonly cluster: Cluster;
  faults = new FaultLog();
  readonly #ids = new Map<string, string>();
  #store: TokenStore | undefined;
  #history: StoreHistory | undefined;
  #log: RunLog;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.cluster = new Cluster(lab);
    this.#log = new RunLog(lab.logFolder);
  }

  static async open(options: LabOptions): Promise<Field> {
    const field = new Field(await Lab.open(options));
    try {
      await field.begin();
    } catch (error) {
      await field.close();
      throw error;
    }
    return field;
  }

  get nodes(): readonly LabNode[] {
    return this.lab.nodes;
  }

  get thawBoundMs(): number {
    return this.lab.ttlMs * thawBoundPart;
  }

  /** The node's ID, by which its work knows it. */
  idOf(node: LabNode): string {
    return this.#ids.get(node.name) ?? '';
  }

  /** The names of nodes instead of their IDs, for people. */
  named(text: string): string {
    return [...this.#ids].reduce((said, [name, id]) => said.replaceAll(id, name), text);
  }

  /** Begins an empty log, with all nodes joined; what ran before must be gone. */
  async begin(): Promise<void> {
    await this.#stopWatching();
    await prepareLog(this.lab);
    this.faults = new FaultLog();
    this.#log = new RunLog(this.lab.logFolder);
    for (const node of this.nodes) await this.cluster.awaitJoined(node, 60_000);
    await this.cluster.leader();
    await eventually('all nodes known', 20_000, async () => {
      for (const { hostname, id } of await this.cluster.nodeRows()) this.#ids.set(hostname, id);
      return this.nodes.every(({ name }) => this.#ids.has(name));
    });
    this.#store = await TokenStore.open(this.lab.logFolder);
    const { revision } = await this.cluster.ask(async (client, signal) => client.cluster(signal));
    this.#history = new StoreHistory(this.cluster.root, this.lab.etcdEndpoints).follow(revision);
  }

  /** Has the leader forget how often nodes were lost: a row that loses them again and again would soon have none for new work. */
  async forgiveFlaps(): Promise<void> {
    const { store, root } = this.cluster;
    for (const id of this.#ids.values()) await store.delete(`${root}nodes/${id}/verdict`);
  }

  /** Removes all work and begins anew. A lab that can't be repaired gets new machines. */
  async clear(): Promise<void> {
    try {
      await resetCluster(this.cluster, this.nodes.length);
    } catch {
      await this.lab.reset();
    }
    await this.forgiveFlaps();
    await this.begin();
  }

  /** All that the work has noted so far, by when it began. */
  async runs(): Promise<Run[]> {
    return this.#log.read();
  }

  async evidence(): Promise<Evidence> {
    return {
      runs: await this.runs(),
      faults: this.faults.faults,
      reasons: findReasons(this.#history?.changes ?? []),
      writes: this.#store?.writes ?? [],
      atMs: nowMs(),
      thawBoundMs: this.thawBoundMs,
    };
  }

  async judge(): Promise<Verdict> {
    const verdict = judge(await this.evidence());
    return { ...verdict, violations: verdict.violations.map((each) => this.named(each)) };
  }

  /** Copies what was noted and recorded to a folder, for people: the lab's own goes with it. */
  async saveEvidence(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    await cp(join(this.lab.logFolder, 'runs'), join(folder, 'runs'), { recursive: true });
    const lines = (entries: readonly object[]): string => entries.map((each) => `${JSON.stringify(each)}\n`).join('');
    await writeFile(join(folder, 'store.jsonl'), lines(this.history.changes));
    await writeFile(join(folder, 'faults.jsonl'), lines(this.faults.faults));
    for (const node of this.nodes) await writeFile(join(folder, `${node.name}.log`), await node.journal());
  }

  /** What the cluster has recorded since it began. */
  get history(): StoreHistory {
    if (this.#history === undefined) throw new Error('Cannot read the history: expected a field that has begun');
    return this.#history;
  }

  async close(): Promise<void> {
    await this.#stopWatching();
    await this.lab.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #stopWatching(): Promise<void> {
    await this.#history?.close();
    await this.#store?.close();
    this.#history = undefined;
    this.#store = undefined;
  }
}
