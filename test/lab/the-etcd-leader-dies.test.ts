import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Beyond the TTL: the second in which nothing is replaced, and the order's way to another node. */
const replaceLimitMs = 1_500;

scenarios(
  'the etcd leader dies',
  (scenario) => {
    scenario('what ran on the machine that led etcd runs elsewhere as soon as with any other', async (cluster) => {
      const leader = await cluster.leader();
      await cluster.keepEtcdLeadOff(leader);
      const endpoint = await cluster.store.leaderEndpoint();
      const victim = cluster.nodes.find(({ address }) => endpoint.includes(`${address}:`));
      assert.ok(victim !== undefined && victim !== leader);
      await cluster.applyAll({
        'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
        'free@.service': sleeper([], ['[X-Muster]', 'Replicas=6']),
      });
      const before = await cluster.runners([victim]);
      const lost = before.filter(({ name }) => name.startsWith('free@')).map(({ name }) => name);
      assert.ok(lost.length > 0);
      const others = await cluster.identities(cluster.others(victim));
      const atMs = Date.now();
      await victim.powerOff();
      const moved = await eventually('its work elsewhere', 3 * cluster.ttlMs, async () => {
        const now = (await cluster.runners(cluster.others(victim))).filter(
          ({ name, active }) => active && lost.includes(name),
        );
        return now.length === lost.length && now;
      });
      for (const { name, startedAtMs } of moved) {
        const told = `${name} began ${startedAtMs - atMs} ms after the power-off`;
        process.stdout.write(`# ${told}\n`);
        assert.ok(startedAtMs - atMs <= cluster.ttlMs + replaceLimitMs, told);
      }
      const now = await cluster.identities(cluster.others(victim));
      assert.deepEqual(
        now.filter((each) => others.includes(each)),
        others,
        'what ran on the others was not disturbed',
      );
      await victim.boot();
      await cluster.awaitJoined(victim);
    });
  },
  { ttlMs: 10_000 },
);
