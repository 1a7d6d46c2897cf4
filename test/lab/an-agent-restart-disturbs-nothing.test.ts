import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const stopMode = ['disconnect: {mode: stop}'];

/** Units and containers of both modes on each node; returns what must not change. */
async function begin(cluster: Cluster): Promise<{ identities: string[]; placements: string[] }> {
  await cluster.startAll({
    'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
    'careful@.service': sleeper([], ['[X-Muster]', 'Replicas=3', 'Conflicts=careful@*.service', 'Disconnect=stop']),
    pair: sleepingContainer('pair', ['replicas: 3']),
    single: sleepingContainer('single', ['replicas: 3', ...stopMode]),
  });
  const identities = await cluster.identities();
  assert.equal(identities.length, 12);
  return { identities, placements: await cluster.placements() };
}

async function assertUndisturbed(cluster: Cluster, before: Awaited<ReturnType<typeof begin>>): Promise<void> {
  assert.deepEqual(await cluster.identities(), before.identities, 'nothing was restarted');
  assert.deepEqual(await cluster.placements(), before.placements, 'nothing was moved');
}

async function awaitAllHealthy(cluster: Cluster, deadlineMs = 20_000): Promise<void> {
  await eventually('all healthy', deadlineMs, async () => {
    const short = (await cluster.workloads()).filter(({ summary }) => !summary.converged);
    if (short.length === 0) return true;
    throw new Error(JSON.stringify(short.map(({ name, summary }) => [name, summary.problems])));
  });
}

async function leaseOf(cluster: Cluster, node: LabNode): Promise<string> {
  return (await cluster.store.get(await cluster.presenceKey(node)))?.lease ?? '';
}

/**
 * Of a shorter TTL the switch leaves a killed agent less than two seconds to be back, with all three starting at once on this machine; and
 * an etcd that is slow for two seconds has `stop` instances ended.
 */
const unhurried = { ttlMs: 10_000 };

scenarios(
  'an agent restart disturbs nothing',
  (scenario) => {
    scenario(
      'an agent that is stopped resigns at once and is gone within 5 s; what it ran runs on and is not moved',
      async (cluster) => {
        const before = await begin(cluster);
        const node = await cluster.leader();
        const [other] = cluster.others(node);
        const presence = await cluster.presenceKey(node);
        const election = `${cluster.root}election/`;
        const first = async (): Promise<string> => {
          const queue = (await cluster.store.list(election)).sort((a, b) => a.createRevision - b.createRevision);
          return queue[0]?.key ?? '';
        };
        const own = await first();
        const beganMs = performance.now();
        let resignedMs = Number.NaN;
        const stopping = node.run(['systemctl', 'stop', 'muster']);
        await eventually(
          'the lead given up',
          5_000,
          async () => {
            const leading = await first();
            resignedMs = performance.now() - beganMs;
            return leading !== own;
          },
          5,
        );
        await stopping;
        const stoppedMs = performance.now() - beganMs;
        assert.ok(resignedMs < cluster.ttlMs / 2, `resigned after ${resignedMs} ms, as if its lease had run out`);
        assert.ok(stoppedMs < 5_000, `stopped after ${stoppedMs} ms`);
        const next = await eventually('another leader', 5_000, async () => {
          const found = await cluster.ask(async (client, signal) => client.cluster(signal), other);
          return found.leader?.hostname !== node.name && found.leader?.hostname;
        });
        assert.notEqual(next, node.name);
        const shown = (await cluster.store.get(presence))?.value ?? '';
        assert.match(shown, /"state":"away"/);
        // Longer than the lease would have lasted.
        const untilMs = performance.now() + 1.75 * cluster.ttlMs;
        const seen = new Set<string>();
        await eventually(
          'the lease to have run out',
          2 * cluster.ttlMs,
          async () => {
            seen.add((await cluster.store.get(presence))?.value ?? 'gone');
            return performance.now() > untilMs;
          },
          250,
        );
        for (const value of seen) assert.match(value, /"state":"away"/);
        await assertUndisturbed(cluster, before);
        await node.run(['systemctl', 'start', 'muster']);
        await cluster.awaitJoined(node);
        await awaitAllHealthy(cluster);
        await assertUndisturbed(cluster, before);
      },
    );

    scenario(
      'an upgrade, another executable in the same place, disturbs nothing; nor does a second agent',
      async (cluster) => {
        const before = await begin(cluster);
        for (const node of cluster.nodes) {
          const script =
            'cd /usr/local/bin && cp muster .next && echo >>.next && mv .next muster && systemctl restart muster';
          await node.run(['sh', '-c', script]);
          await cluster.awaitJoined(node);
        }
        await awaitAllHealthy(cluster);
        await assertUndisturbed(cluster, before);
        // Whoever starts one more by hand is refused, and the one that is there goes on.
        const [node] = cluster.nodes;
        if (node === undefined) throw new Error('three nodes');
        const pid = await node.mainPid('muster');
        const second = await node.run(['timeout', '10', 'muster', 'agent'], { reject: false });
        assert.equal(second.exitCode, 1);
        assert.match(second.stderr, /Cannot .*: .*(lock|agent)/);
        assert.equal(await node.mainPid('muster'), pid);
        assert.equal((await cluster.stateOf(node)).joined, true);
      },
    );
  },
  unhurried,
);

scenarios(
  'an agent that is killed disturbs nothing',
  (scenario) => {
    scenario(
      'an agent that is killed comes back, adopts its lease and all that runs; so do all at once',
      async (cluster) => {
        const before = await begin(cluster);
        for (const node of [await cluster.leader(), cluster.others(await cluster.leader())[0]]) {
          if (node === undefined) throw new Error('three nodes');
          const [pid, lease] = [await node.mainPid('muster'), await leaseOf(cluster, node)];
          await node.killProcess('muster');
          await eventually(
            `the next agent on ${node.name}`,
            10_000,
            async () => ![0, pid].includes(await node.mainPid('muster')),
          );
          await cluster.awaitJoined(node);
          const { status } = await cluster.stateOf(node);
          assert.match(status, /adopted/);
          assert.equal(await leaseOf(cluster, node), lease, 'the lease is the same');
        }
        // All at once, the leader among them.
        await Promise.all(cluster.nodes.map(async (node) => node.killProcess('muster')));
        await Promise.all(cluster.nodes.map(async (node) => cluster.awaitJoined(node)));
        await cluster.leader();
        await awaitAllHealthy(cluster);
        await assertUndisturbed(cluster, before);
      },
    );
  },
  unhurried,
);
