import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Beyond the TTL: the second in which nothing is replaced, and the order's way to another node. */
const replaceLimitMs = 1_500;
/**
 * From etcd's election on: its new leader gives leases a TTL and a second, of which at most 0.4 of a TTL are left when they are revoked.
 * That counts where the members had to vote more than once, which takes them a second or two more.
 */
const afterElectionMs = 9_500;

async function etcdLeader(cluster: Cluster): Promise<LabNode> {
  const endpoint = await cluster.store.leaderEndpoint();
  const found = cluster.nodes.find(({ address }) => endpoint.includes(`${address}:`));
  assert.ok(found !== undefined);
  return found;
}

/** The leader, which has come to lead while the others stood in the queue. */
async function comesToLead(cluster: Cluster): Promise<LabNode> {
  const before = await cluster.leader();
  await cluster.depose();
  return eventually('another leader', 20_000, async () => {
    const leader = await cluster.leader();
    return leader !== before && leader;
  });
}

/** When another machine was first seen to lead etcd; each look takes some seconds while a machine is off. */
async function electionEnd(cluster: Cluster, victim: LabNode): Promise<number> {
  return eventually('another leader of etcd', 30_000, async () => {
    return (await etcdLeader(cluster)) !== victim && Date.now();
  });
}

/** Power off, and all that ran there runs elsewhere in time, while nothing else is disturbed. */
async function diesAndIsReplaced(cluster: Cluster, victim: LabNode): Promise<void> {
  await cluster.startAll({
    'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
    'free@.service': sleeper([], ['[X-Muster]', 'Replicas=6']),
  });
  const before = await cluster.runners([victim]);
  const lost = before.filter(({ name }) => name.startsWith('free@')).map(({ name }) => name);
  assert.ok(lost.length > 0);
  const others = await cluster.identities(cluster.others(victim));
  const atMs = Date.now();
  const electing = electionEnd(cluster, victim);
  await victim.powerOff();
  const moved = await eventually('its work elsewhere', 3 * cluster.ttlMs, async () => {
    const now = (await cluster.runners(cluster.others(victim))).filter(
      ({ name, active }) => active && lost.includes(name),
    );
    return now.length === lost.length && now;
  });
  const electedMs = (await electing) - atMs;
  const limitMs = Math.max(cluster.ttlMs + replaceLimitMs, electedMs + afterElectionMs);
  for (const { name, startedAtMs } of moved) {
    const told = `${name} began ${startedAtMs - atMs} ms after the power-off, etcd was led again within ${electedMs} ms`;
    process.stdout.write(`# ${told}\n`);
    assert.ok(startedAtMs - atMs <= limitMs, told);
  }
  const now = await cluster.identities(cluster.others(victim));
  assert.deepEqual(
    now.filter((each) => others.includes(each)),
    others,
    'what ran on the others was not disturbed',
  );
  await victim.boot();
  await cluster.awaitJoined(victim);
}

scenarios(
  'the etcd leader dies',
  (scenario) => {
    scenario('what ran on the machine that led etcd runs elsewhere as soon as with any other', async (cluster) => {
      const leader = await cluster.leader();
      await cluster.keepEtcdLeadOff(leader);
      const victim = await etcdLeader(cluster);
      assert.notEqual(victim, leader);
      await diesAndIsReplaced(cluster, victim);
    });

    scenario('what ran on the machine that led both etcd and the cluster does so, too', async (cluster) => {
      const victim = await comesToLead(cluster);
      await cluster.keepEtcdLeadOn(victim);
      assert.equal(await etcdLeader(cluster), victim);
      await diesAndIsReplaced(cluster, victim);
    });
  },
  { ttlMs: 10_000 },
);
