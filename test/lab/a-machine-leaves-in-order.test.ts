import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { nowMs } from './checker/run-log.ts';
import { StoreHistory } from './checker/store-history.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { readRecord } from './scenario/history.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** What becomes of the store from now on, as members tell that are not on this node. */
async function followStore(cluster: Cluster, node: LabNode): Promise<StoreHistory> {
  const { revision } = await cluster.ask(async (client, signal) => client.cluster(signal));
  const endpoints = cluster.lab.etcdEndpoints.filter((endpoint) => !endpoint.includes(`${node.address}:`));
  return new StoreHistory(cluster.root, endpoints).follow(revision);
}

/** The states that a node's presence goes through until it is gone, each with when it was told of. */
async function awaitPresenceGone(history: StoreHistory, path: string): Promise<{ state: string; atMs: number }[]> {
  return eventually(`${path} gone`, 30_000, () => {
    const states = history.changes
      .filter((change) => change.path === path)
      .map(({ value, atMs }) => {
        return { state: value === undefined ? 'gone' : (JSON.parse(value) as { state: string }).state, atMs };
      });
    return states.at(-1)?.state === 'gone' && states;
  });
}

/** A machine that goes down tells so before its presence goes, and the others know by that, not by the lapse of its lease. */
async function assertLeavesInOrder(cluster: Cluster, node: LabNode): Promise<void> {
  const path = (await cluster.presenceKey(node)).slice(cluster.root.length);
  const history = await followStore(cluster, node);
  try {
    const beganAtMs = nowMs();
    const down = node.shutDown(60_000);
    const states = await awaitPresenceGone(history, path);
    const leaving = states.find(({ state }) => state === 'leaving');
    assert.ok(leaving, JSON.stringify(states));
    const tookMs = leaving.atMs - beganAtMs;
    assert.ok(tookMs < cluster.ttlMs, `leaving: ${tookMs} ms after the order`);
    await eventually('all elsewhere', 20_000, async () => {
      const now = (await cluster.runners(cluster.others(node))).filter(({ active }) => active);
      if (now.length === 3) return true;
      throw new Error(JSON.stringify(now.map(({ name }) => name)));
    });
    await down;
  } finally {
    await history.close();
  }
}

async function begin(cluster: Cluster, node: LabNode): Promise<void> {
  const here = ['[X-Muster]', `Conflicts=${walled}`];
  await placeOn(cluster, node, {
    'keeps.service': sleeper([], here),
    'stops.service': sleeper([], [...here, 'Disconnect=stop']),
    box: sleepingContainer('box', [`placement: {conflicts: ["${walled}"]}`, 'disconnect: {mode: stop}']),
  });
  const names = (await cluster.runners([node])).map(({ name }) => name);
  assert.deepEqual(names, ['keeps.service', 'muster-box.0', 'stops.service']);
}

scenarios('a machine leaves in order', (scenario) => {
  scenario(
    'a machine that is shut down says so, and the others take over without waiting for the TTL',
    async (cluster) => {
      const node = await cluster.leader();
      await cluster.keepEtcdLeadOff(node);
      await begin(cluster, node);
      await assertLeavesInOrder(cluster, node);
      for (const instance of ['keeps.service/0', 'stops.service/0', 'box/0']) {
        const reason = (await readRecord(cluster, instance)).moves.at(-1)?.reason ?? '';
        process.stdout.write(`# ${instance}: ${reason}\n`);
        assert.match(reason, new RegExp(`^${node.name}:? is (shutting down|going away)$`), instance);
      }
      await node.boot();
      await cluster.awaitJoined(node);
      await eventually('one copy of each', 20_000, async () => {
        const rows = await cluster.rows();
        return rows.length === 3 && rows.every(({ phase, role }) => phase === 'running' && role === 'current');
      });
    },
  );

  scenario('a machine that is rebooted in order comes back as itself and takes new work', async (cluster) => {
    const [node] = cluster.others(await cluster.leader());
    if (node === undefined) throw new Error('three nodes');
    await begin(cluster, node);
    const before = await cluster.nodeRow(node);
    await node.reboot();
    await cluster.awaitJoined(node);
    const after = await cluster.nodeRow(node);
    assert.equal(after.id, before.id);
    assert.notEqual(after.bootId, before.bootId);
    await eventually('one copy of each, elsewhere', 20_000, async () => {
      const rows = await cluster.rows();
      return rows.length === 3 && rows.every(({ phase, role }) => phase === 'running' && role === 'current');
    });
    await cluster.apply('new.service', sleeper([], ['[X-Muster]', `MachineID=${node.machineId}`]), ['--no-wait']);
    const [row] = await cluster.awaitRunning('new.service', 1);
    assert.equal(row?.node?.hostname, node.name);
  });
});
