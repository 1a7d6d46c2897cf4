import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const snapshotPath = '/var/tmp/store.db';

const restoreScript = `
set -e
. /etc/default/etcd
rm -rf /var/lib/etcd/restored
ETCDCTL_API=3 etcdctl snapshot restore ${snapshotPath} --data-dir /var/lib/etcd/restored --name "$ETCD_NAME" \
  --initial-cluster "$ETCD_INITIAL_CLUSTER" --initial-cluster-token "$ETCD_INITIAL_CLUSTER_TOKEN" \
  --initial-advertise-peer-urls "$ETCD_INITIAL_ADVERTISE_PEER_URLS"
rm -rf "$ETCD_DATA_DIR"
mv /var/lib/etcd/restored "$ETCD_DATA_DIR"
chown -R etcd:etcd "$ETCD_DATA_DIR"
`;

/** As an operator backs etcd up: one member's snapshot, which each node is then given. */
async function saveSnapshot({ nodes }: Cluster): Promise<void> {
  const [first] = nodes;
  if (first === undefined) throw new Error('three nodes');
  const save = `ETCDCTL_API=3 etcdctl --endpoints=http://127.0.0.1:2379 snapshot save ${snapshotPath} >/dev/null`;
  await first.run(['sh', '-c', save]);
  const { stdout } = await first.run(['sh', '-c', `base64 ${snapshotPath}`]);
  const store = ['sh', '-c', `base64 -d >${snapshotPath}`];
  await Promise.all(nodes.slice(1).map(async (node) => node.run(store, { input: stdout })));
}

/** As an operator restores it: all members stopped, each made anew from the snapshot, all started. */
async function restoreSnapshot({ nodes, lab }: Cluster): Promise<void> {
  await Promise.all(nodes.map(async (node) => node.run(['systemctl', 'stop', 'etcd'])));
  await Promise.all(nodes.map(async (node) => node.run(['sh', '-c', restoreScript])));
  await Promise.all(nodes.map(async (node) => node.run(['systemctl', 'start', 'etcd'])));
  await lab.awaitEtcd();
}

async function awaitDoubt(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) {
    await cluster.awaitState(node, 'doubts the store', 15_000, ({ joined, leader, status }) => {
      return !joined && !leader && status.includes('an older copy of it answers');
    });
  }
}

scenarios('a store is restored', (scenario) => {
  scenario(
    'restored from an older snapshot it is followed by nobody until an operator has confirmed it',
    async (cluster) => {
      await cluster.applyAll({
        'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
        boxes: sleepingContainer('boxes', ['replicas: 3']),
        'dropped.service': sleeper(),
      });
      await saveSnapshot(cluster);
      await cluster.muster(['rm', 'dropped.service']);
      await cluster.apply('later.service', sleeper());
      await cluster.awaitRunning('later.service', 1);
      const before = await cluster.identities();
      const isUndisturbed = async (when: string) => assert.deepEqual(await cluster.identities(), before, when);

      await restoreSnapshot(cluster);
      await awaitDoubt(cluster);
      await isUndisturbed('when it was noticed');
      const { stdout: shown } = await cluster.muster(['status'], { reject: false });
      assert.match(shown, /3 in-doubt/);
      assert.match(shown, /in-doubt since .*muster cluster confirm-restore/);
      const listed = await cluster.muster(['ls'], { reject: false });
      assert.notEqual(listed.exitCode, 0);
      assert.match(listed.stderr, /an older copy of it answers/);

      const [node] = cluster.nodes;
      assert.ok(node);
      await node.killProcess('muster');
      await eventually('the agent is back', 10_000, async () => (await node.mainPid('muster')) !== 0);
      await awaitDoubt(cluster);
      const untilMs = performance.now() + 2 * cluster.ttlMs;
      await eventually('two TTLs over', 60_000, () => performance.now() >= untilMs, 250);
      await isUndisturbed('after two TTLs');
      const said = await statusText(cluster);
      assert.match(said, /an older copy of it answers/);
      const journal = await cluster.nodes[1]?.journal('muster', { output: 'cat' });
      assert.equal(journal?.split('"store in doubt"').length, 2, 'said once');

      await cluster.muster(['cluster', 'confirm-restore', '--yes']);
      const confirmedMs = performance.now();
      await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each, 10_000)));
      process.stdout.write(`# joined ${Math.round(performance.now() - confirmedMs)} ms after the confirmation\n`);
      await cluster.awaitRunning('dropped.service', 1);
      await eventually('what the store does not know is an orphan', 10_000, async () => {
        const statuses = await cluster.store.list(`${cluster.root}status/`);
        return statuses.some(({ key, value }) => key.includes('later.service') && value.includes('"orphan"'));
      });
      await cluster.apply('later.service', sleeper());
      const isOld = (line: string): boolean => !line.startsWith('dropped.service');
      assert.deepEqual((await cluster.identities()).filter(isOld), before, 'what ran was left alone, and taken back');
      assert.match((await cluster.muster(['status'])).stdout, /3 up/);
    },
  );
});

async function statusText({ nodes: [node] }: Cluster): Promise<string> {
  const shown = await node?.run(['systemctl', 'show', '--property=StatusText', '--value', 'muster']);
  return shown?.stdout ?? '';
}
