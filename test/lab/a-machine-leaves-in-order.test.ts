import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** The states that a node's presence goes through until it is gone, and when each was seen. */
async function followPresence(cluster: Cluster, key: string, deadlineMs: number): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  await eventually(`${key} gone`, deadlineMs, async () => {
    const text = (await cluster.store.get(key))?.value;
    const state = text === undefined ? 'gone' : (JSON.parse(text) as { state: string }).state;
    if (!seen.has(state)) seen.set(state, Date.now());
    return state === 'gone';
  });
  return seen;
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
      const key = await cluster.presenceKey(node);
      const beganAtMs = Date.now();
      const down = node.shutDown(60_000);
      const seen = await followPresence(cluster, key, 30_000);
      const leavingAtMs = seen.get('leaving') ?? Number.NaN;
      assert.ok(leavingAtMs - beganAtMs < 2_500, `leaving: ${leavingAtMs - beganAtMs} ms after the order`);
      const moved = await eventually('all elsewhere', 20_000, async () => {
        const now = (await cluster.runners(cluster.others(node))).filter(({ active }) => active);
        if (now.length === 3) return now;
        throw new Error(JSON.stringify(now.map(({ name }) => name)));
      });
      await down;
      for (const { name, startedAtMs } of moved) {
        const tookMs = startedAtMs - leavingAtMs;
        process.stdout.write(`# ${name} began elsewhere ${tookMs} ms after "leaving"\n`);
        assert.ok(tookMs < cluster.ttlMs, `${name} began ${tookMs} ms after "leaving"`);
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
