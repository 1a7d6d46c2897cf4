import { eventually } from '../../support/eventually.ts';
import type { LabNode } from '../lab-node.ts';
import type { Cluster } from './cluster.ts';

const services = ['dbus', 'docker', 'etcd', 'muster'];
const ranges = ['workloads', 'specs', 'instances', 'assignments', 'status'];

/** Thaws and starts what a scenario has stopped, in one command. */
const repair = `
for unit in ${services.join(' ')}; do
  pid=$(systemctl show --property=MainPID --value "$unit")
  [ "$pid" = 0 ] || kill -s CONT "$pid"
done
systemctl reset-failed ${services.join(' ')} docker.socket 2>/dev/null
systemctl start ${services.filter((unit) => unit !== 'etcd').join(' ')} $(systemctl is-enabled --quiet etcd && echo etcd)
`;

/** So long what is to end has for it; then it is killed: nobody looks at how it ends any more. */
const endMs = 2_000;
const killAll = `
docker ps --quiet --filter label=muster.managed=true | xargs -r docker kill
for file in /run/systemd/system/*.*; do
  [ -f "$file" ] && [ ! -L "$file" ] && head -c 10 "$file" | grep -q '^# muster: ' && basename "$file"
done | xargs -r systemctl kill --signal=KILL --
`;

/** Brings the cluster back to what scenarios begin with: its first nodes up, joined and led, without any work; others are removed. */
export async function resetCluster(cluster: Cluster, firstNodes = 3): Promise<void> {
  const isExtra = (node: LabNode): boolean => cluster.lab.nodes.indexOf(node) >= firstNodes;
  const { lab } = cluster;
  await Promise.all(lab.nodes.map(async (node) => (isExtra(node) ? undefined : repairNode(node))));
  await lab.awaitEtcd(30_000);
  await Promise.all(lab.nodes.map(async (node) => (isExtra(node) ? undefined : cluster.awaitJoined(node))));
  await cluster.leader();
  const extra = lab.nodes.filter((node) => isExtra(node));
  await removeWork(cluster);
  // A node that is removed with work on it is one that was never seen to stop it.
  if (extra.length > 0 && extra.every(({ isOn, isFrozen }) => isOn && !isFrozen)) {
    await Promise.all(extra.map(async (node) => node.reconnect()));
    await awaitEmpty(cluster);
  }
  for (const node of extra) await lab.removeNode(node);
  await forgetStrangers(cluster);
  await forgetLosses(cluster);
  await awaitEmpty(cluster);
}

async function repairNode(node: LabNode): Promise<void> {
  if (node.isFrozen) await node.thaw();
  await node.reconnect();
  if (!node.isOn) await node.boot();
  await node.run(['sh', '-c', repair], { timeoutMs: 60_000 });
}

async function removeWork(cluster: Cluster): Promise<void> {
  const names = (await cluster.workloads()).map(({ name }) => name);
  await Promise.all(names.map(async (name) => cluster.ask(async (client, signal) => client.remove(name, signal))));
}

/** Other clusters, and nodes that are no more. */
async function forgetStrangers({ store, root, lab }: Cluster): Promise<void> {
  const all = await store.list('/muster/');
  const strange = new Set<string>();
  for (const { key, value } of all) {
    if (!key.startsWith(root)) strange.add(`${key.split('/').slice(0, 3).join('/')}/`);
    const [, id] = /^nodes\/([^/]*)\/record$/.exec(key.slice(root.length)) ?? [];
    if (id === undefined || lab.nodes.some(({ machineId }) => value.includes(machineId))) continue;
    for (const range of ['nodes', 'assignments', 'status']) strange.add(`${root}${range}/${id}/`);
  }
  await Promise.all([...strange].map(async (prefix) => store.deletePrefix(prefix)));
}

/** Scenarios lose nodes more often than an hour's calm allows for: none begins with a node that flaps or drains, or with a hold. */
async function forgetLosses({ store, root }: Cluster): Promise<void> {
  const verdicts = (await store.list(`${root}nodes/`)).filter(({ key }) => /\/(verdict|settings)$/.test(key));
  await Promise.all(verdicts.map(async ({ key }) => store.delete(key)));
  await store.deletePrefix(`${root}holds/`);
}

/** Nothing of any workload in the store, and nothing of muster's on any machine. */
async function awaitEmpty(cluster: Cluster): Promise<void> {
  const patientUntilMs = performance.now() + endMs;
  await eventually('a cluster without work', 30_000, async () => {
    const keys = (
      await Promise.all(ranges.map(async (range) => cluster.store.list(`${cluster.root}${range}/`)))
    ).flat();
    if (keys.length === 0) return true;
    if (performance.now() > patientUntilMs) {
      const kill = ['sh', '-c', killAll];
      await Promise.all(cluster.reachable.map(async (node) => node.run(kill, { reject: false, timeoutMs: 5_000 })));
    }
    throw new Error(keys.map(({ key }) => key).join(' '));
  });
  await eventually('machines without work', 10_000, async () => {
    const left = await cluster.runners();
    if (left.length === 0) return true;
    throw new Error(left.map(({ name, node }) => `${name} on ${node}`).join(', '));
  });
}
