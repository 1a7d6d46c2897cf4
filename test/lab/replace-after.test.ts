import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { Cluster } from './scenario/cluster.ts';
import { homeOf, readRecord } from './scenario/history.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const delayMs = 8_000;
/** From the moment on at which it may be replaced; more than the leader's share, as a verdict's time counts on. */
const limitMs = 3_500;

const unit = (...lines: string[]) => sleeper([], ['[X-Muster]', `Conflicts=${walled}`, ...lines]);
const texts = {
  'keeps.service': unit('ReplaceAfter=8s'),
  'stops.service': unit('Disconnect=stop', 'ReplaceAfter=8s'),
  'never.service': unit('ReplaceAfter=never'),
};

async function startOf(cluster: Cluster, name: string): Promise<number> {
  const found = await eventually(`${name} elsewhere`, 40_000, async () => {
    return (await cluster.runners(cluster.reachable)).find((each) => each.name === name && each.active);
  });
  return found.startedAtMs;
}

scenarios('a replacement that waits', (scenario) => {
  scenario(
    'comes when its time is over, under another leader too; with never it comes when an operator says so',
    async (cluster) => {
      const leader = await cluster.leader();
      const node = cluster.others(leader)[0];
      if (node === undefined) throw new Error('three nodes');
      await cluster.keepEtcdLeadOff(node);
      await placeOn(cluster, node, texts);
      const presence = await cluster.presenceKey(node);
      const off = node.powerOff();
      const gone = await cluster.awaitGone(presence, cluster.ttlMs * 3);
      await off;
      await eventually('the waiting recorded', 10_000, async () => {
        return (await readRecord(cluster, 'stops.service/0')).pending !== undefined;
      });
      const { pending } = await readRecord(cluster, 'keeps.service/0');
      assert.equal(pending?.reason, `${node.name} is lost; it is replaced once that has lasted for 8s`);
      assert.match((await cluster.muster(['explain', 'keeps.service'], { on: leader })).stdout, /lasted for 8s/);
      await eventually('much of the delay over', 10_000, () => Date.now() - gone.seenMs > limitMs + 1_000);
      await leader.run(['systemctl', 'restart', 'muster']); // it resigns: another one goes on counting, not anew

      for (const [name, boundMs] of [
        ['keeps.service', 1_000],
        ['stops.service', 1.1 * cluster.ttlMs],
      ] as const) {
        const startedAtMs = await startOf(cluster, name);
        const dueMs = boundMs + delayMs;
        const told = `${name} began ${startedAtMs - gone.seenMs} ms after presence was seen to be gone`;
        process.stdout.write(`# ${told}\n`);
        assert.ok(startedAtMs - gone.afterMs >= dueMs && startedAtMs - gone.seenMs <= dueMs + limitMs, told);
      }
      const never = await readRecord(cluster, 'never.service/0');
      assert.match(never.pending?.reason ?? '', /replaceAfter is never: apply it with another replaceAfter/);
      assert.deepEqual(
        await cluster.runners(cluster.reachable).then((all) => all.filter(({ name }) => name === 'never.service')),
        [],
      );
      await cluster.apply('never.service', unit('ReplaceAfter=5s'));
      assert.notEqual(await homeOf(cluster, 'never.service'), node.name);
      assert.equal((await readRecord(cluster, 'never.service/0')).pending, undefined);
      await node.boot();
      await cluster.awaitJoined(node);
    },
  );

  scenario(
    'does not come when the node is back in time: nothing is moved, stopped or started again',
    async (cluster) => {
      const node = cluster.others(await cluster.leader())[0];
      if (node === undefined) throw new Error('three nodes');
      await cluster.keepEtcdLeadOff(node);
      await placeOn(cluster, node, { 'keeps.service': unit('ReplaceAfter=1m') });
      const before = [await cluster.placements(), await cluster.identities()];
      const presence = await cluster.presenceKey(node);
      await node.cutOff();
      await cluster.awaitGone(presence, cluster.ttlMs * 3);
      await eventually('the waiting recorded', 10_000, async () => {
        return (await readRecord(cluster, 'keeps.service/0')).pending !== undefined;
      });
      await node.reconnect();
      await cluster.awaitJoined(node);
      await eventually('no more waiting recorded', 10_000, async () => {
        return (await readRecord(cluster, 'keeps.service/0')).pending === undefined;
      });
      assert.deepEqual([await cluster.placements(), await cluster.identities()], before);
    },
  );
});
