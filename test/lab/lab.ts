import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { type EtcdVersion, ensureBaseTree, pruneCache } from './base-tree.ts';
import { ControlGroup } from './control-groups.ts';
import { withHostLock } from './host-lock.ts';
import { applyHostSettings } from './host-settings.ts';
import { builtExecutable, ensureImageLayer } from './image-layer.ts';
import { LabNode, newMachineId } from './lab-node.ts';
import { openNameServer } from './name-server.ts';
import { LabNetwork } from './network.ts';
import { claimNumber, startGuard, stateFiles, writeOwner } from './ownership.ts';
import { cacheRoot, type LabNames, labNames } from './paths.ts';
import { copyStore, ensureRegistryStore, registryUser, startRegistry } from './registry.ts';
import { hostLock, removeDeadLabs, removeLab } from './residue.ts';

const zones = ['a', 'b', 'c'];
const highestIndex = 60;

/** What a lab is made of. */
export interface LabOptions {
  readonly nodes: number;
  readonly clusterId?: string;
  /** The cluster's lease TTL; 4 s by default. */
  readonly ttlMs?: number;
  readonly etcd?: EtcdVersion;
  readonly progress?: (line: string) => void;
  /** For people who look at /run/muster-lab. */
  readonly name?: string;
  /** The executable that is baked into the nodes' image; dist/muster by default, or $MUSTER_LAB_EXECUTABLE. */
  readonly executable?: string;
}

/** How a node differs from the ones that the lab makes by itself. */
export interface NodeOverrides {
  readonly name?: string;
  /** The machine ID of another node makes a clone of it. */
  readonly machineId?: string;
  readonly clusterId?: string;
  /** Client URLs; none: the shipped default, an etcd on the node itself, which is not there. */
  readonly etcdEndpoints?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly leader?: boolean;
  readonly ttlMs?: number;
  /** Version 1 control groups with controllers: memory and CPU limits work, and Docker uses cgroupfs. */
  readonly limits?: boolean;
}

interface Made {
  readonly number: number;
  readonly options: LabOptions;
  readonly lower: readonly string[];
}

/** Real machines in miniature on one host: see DESIGN section 9. */
export class Lab {
  readonly number: number;
  readonly nodes: LabNode[] = [];
  readonly clusterId: string;
  readonly ttlMs: number;
  /** Client URLs of the lab's etcd, reachable from nodes and from the host. */
  readonly etcdEndpoints: string[];
  /** `host:port`; anyone may pull. It is also the nodes' mirror of Docker Hub: `nginx:1` comes from here. */
  readonly registry: string;
  /** `host:port` and who may pull; the same images. */
  readonly privateRegistry: { readonly address: string; readonly user: string; readonly password: string };
  readonly #names: LabNames;
  readonly #network: LabNetwork;
  readonly #lower: readonly string[];
  readonly #progress: (line: string) => void;
  readonly #firstNodes: LabNode[];
  #sayClosed: (() => void) | undefined;
  #closeNames: () => void = () => undefined;
  #lastIndex = 0;

  private constructor({ number, options, lower }: Made) {
    this.number = number;
    this.clusterId = options.clusterId ?? 'lab';
    this.ttlMs = options.ttlMs ?? 4000;
    this.#names = labNames(number);
    this.#network = new LabNetwork(this.#names);
    this.#lower = lower;
    this.#progress = options.progress ?? (() => undefined);
    this.registry = `${this.#network.hostAddress}:5000`;
    this.privateRegistry = { address: `${this.#network.hostAddress}:5001`, ...registryUser };
    const members = options.nodes < 3 ? 1 : 3;
    const indexes = Array.from({ length: members }, (_, index) => index + 1);
    this.etcdEndpoints = indexes.map((index) => `http://${this.#network.addressOf(index)}:2379`);
    for (let count = 0; count < options.nodes; count += 1) this.nodes.push(this.#makeNode({}));
    this.#firstNodes = [...this.nodes];
  }

  /** Builds what is not cached, boots all nodes at once, and returns when cloud-init is done on each and etcd is healthy. */
  static async open(options: LabOptions): Promise<Lab> {
    if (process.getuid?.() !== 0) throw new Error('Cannot open a lab: expected to run as root');
    const progress = options.progress ?? (() => undefined);
    await removeDeadLabs(progress);
    const { number, layers, store } = await prepare(options, progress);
    const sayClosed = startGuard(number);
    const lab = new Lab({ number, options, lower: layers });
    lab.#sayClosed = sayClosed;
    try {
      await lab.#openHost(store);
      await lab.#bootAll();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** The node of this name. */
  node(name: string): LabNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined)
      throw new Error(`Cannot find node "${name}": expected one of ${this.nodes.map((n) => n.name).join(', ')}`);
    return found;
  }

  /** The host's folder that every machine has at /var/lib/muster-lab-log: they share its clock too. */
  get logFolder(): string {
    return this.#names.shared;
  }

  /** Boots one more node, a new VM. */
  async addNode(overrides: NodeOverrides = {}): Promise<LabNode> {
    const node = this.#makeNode(overrides);
    this.nodes.push(node);
    await node.boot();
    return node;
  }

  /** Powers a node off for good; its disk is gone. */
  async removeNode(node: LabNode): Promise<void> {
    await node.wipe();
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /** Back to the state after `open()`: the first nodes, all new VMs with empty disks and their old machine IDs, an empty etcd. */
  async reset(): Promise<void> {
    await Promise.all(this.nodes.map(async (node) => node.wipe()));
    this.nodes.splice(0, this.nodes.length, ...this.#firstNodes);
    this.#lastIndex = this.nodes.length;
    await this.#bootAll();
  }

  /** Removes every trace of the lab from the host. */
  async close(): Promise<void> {
    await Promise.allSettled(this.nodes.map(async (node) => node.wipe()));
    this.#closeNames();
    this.#closeNames = () => undefined;
    await removeLab(this.number);
    this.#sayClosed?.();
    this.#sayClosed = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Waits until a majority of the lab's etcd answers. */
  async awaitEtcd(deadlineMs = 60_000): Promise<void> {
    await Promise.all(
      this.etcdEndpoints.map(async (endpoint) =>
        eventually(`etcd at ${endpoint}`, deadlineMs, async () => isHealthy(endpoint)),
      ),
    );
  }

  async #openHost(store: string): Promise<void> {
    const { data, group, shared } = this.#names;
    await mkdir(data, { recursive: true });
    await mkdir(shared, { recursive: true });
    await this.#network.open();
    this.#closeNames = await openNameServer(this.#network.hostAddress, this.#hosts());
    const own = new ControlGroup(`${group}/registry`, false);
    await own.create();
    await copyStore(store, join(data, 'registry'));
    const common = { directory: data, store: join(data, 'registry'), address: this.#network.hostAddress, group: own };
    await Promise.all([
      startRegistry({ ...common, port: 5000, isPrivate: false }),
      startRegistry({ ...common, port: 5001, isPrivate: true }),
    ]);
  }

  async #bootAll(): Promise<void> {
    const startedMs = performance.now();
    const seconds = (): string => ((performance.now() - startedMs) / 1000).toFixed(1);
    this.#progress(`lab ${this.number}: booting ${this.nodes.map((node) => node.name).join(', ')} ...`);
    await Promise.all(
      this.nodes.map(async (node) => {
        await node.boot();
        this.#progress(`${node.name} (${node.address}): provisioned by cloud-init after ${seconds()} s`);
      }),
    );
    await this.awaitEtcd();
    this.#progress(`etcd (${this.etcdEndpoints.length} members): healthy after ${seconds()} s`);
  }

  #makeNode(overrides: NodeOverrides): LabNode {
    this.#lastIndex += 1;
    const index = this.#lastIndex;
    if (index > highestIndex) throw new Error(`Cannot add a node: expected at most ${highestIndex} in a lab's life`);
    const name = overrides.name ?? `node${index}`;
    const port = this.#network.portOf(index, name);
    const isMember = index <= this.etcdEndpoints.length;
    return new LabNode({
      names: this.#names,
      network: this.#network,
      port,
      lower: this.#lower,
      metadata: {
        hostname: name,
        machineId: overrides.machineId ?? newMachineId(),
        clusterId: overrides.clusterId ?? this.clusterId,
        etcdEndpoints: overrides.etcdEndpoints ?? this.etcdEndpoints,
        address: port.address,
        labels: overrides.labels ?? { zone: zones[(index - 1) % zones.length] ?? '' },
        ttlMs: overrides.ttlMs ?? this.ttlMs,
        leader: overrides.leader ?? true,
        ...(isMember ? { etcdInitialCluster: this.#initialCluster() } : {}),
      },
      parts: {
        registry: this.registry,
        privateRegistry: this.privateRegistry.address,
        hosts: this.#hosts(),
        nameServer: this.#network.hostAddress,
        limits: overrides.limits ?? false,
      },
    });
  }

  #initialCluster(): string {
    const members = this.etcdEndpoints.map(
      (endpoint, index) => `node${index + 1}=${endpoint.replace(':2379', ':2380')}`,
    );
    return members.join(',');
  }

  /** Names for every address that a node may get. */
  #hosts(): Record<string, string> {
    const indexes = Array.from({ length: highestIndex }, (_, index) => index + 1);
    return Object.fromEntries(indexes.map((index) => [`node${index}`, this.#network.addressOf(index)]));
  }
}

/** Everything that must exist before a lab can: one lab at a time prepares. */
async function prepare(
  options: LabOptions,
  progress: (line: string) => void,
): Promise<{ number: number; layers: string[]; store: string }> {
  const executable = options.executable ?? process.env['MUSTER_LAB_EXECUTABLE'] ?? builtExecutable;
  const onWait = (): void => progress('another lab is being prepared on this machine, waiting for it ...');
  const prepared = await withHostLock(
    join(cacheRoot, 'lock'),
    async () => {
      const image = await ensureImageLayer(executable);
      const store = await ensureRegistryStore(progress);
      const layers = [image, ...(await ensureBaseTree(options.etcd ?? '3.4', progress))];
      const number = await claimNumber();
      await writeOwner(number, options.name ?? basename(process.argv[1] ?? 'lab'), [...layers, store]);
      await pruneCache([...layers, store], await stateFiles());
      return { number, layers, store };
    },
    onWait,
  );
  await withHostLock(hostLock, applyHostSettings);
  return prepared;
}

async function isHealthy(endpoint: string): Promise<boolean> {
  const response = await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(2000) });
  const text = await response.text();
  if (response.ok && text.includes('true')) return true;
  throw new Error(`${response.status} ${text}`);
}
