import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import type { Runner } from './scenario/machine-truth.ts';
import { containerYaml, sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** From the loss that was seen to the replacement's start. */
const replaceLimitMs = 1_500;
/** What dockerd may take to start a container on a busy machine, beyond what is within that limit. */
const busyDockerMs = 500;

interface Loss {
  readonly atMs: number;
  readonly goneAtMs: number;
}

/** Powers a node off; when that was, and when its presence was seen to be gone. */
async function powerOff(cluster: Cluster, node: LabNode): Promise<Loss> {
  const presence = await cluster.presenceKey(node);
  const atMs = Date.now();
  const off = node.powerOff();
  const goneAtMs = await cluster.awaitGone(presence, cluster.ttlMs * 3);
  await off;
  return { atMs, goneAtMs };
}

/** Waits until each of these runs on another node, and returns the new copies as systemd and dockerd show them. */
async function awaitElsewhere(cluster: Cluster, lost: readonly Runner[], node: LabNode): Promise<Runner[]> {
  return eventually(`${lost.map(({ name }) => name).join(', ')} elsewhere`, 6 * cluster.ttlMs, async () => {
    const now = await cluster.runners(cluster.others(node));
    const found = lost.flatMap(({ name, id }) =>
      now.filter((each) => each.active && each.name === name && each.id !== id),
    );
    if (found.length === lost.length) return found;
    throw new Error(now.map(({ name, node: on, active }) => `${name} ${active ? 'on' : 'ended on'} ${on}`).join(', '));
  });
}

function placedOn(node: LabNode): string[] {
  return ['[X-Muster]', `MachineID=${node.machineId}`];
}

async function ownRunners(cluster: Cluster, node: LabNode): Promise<Runner[]> {
  return (await cluster.runners([node])).filter(({ active }) => active);
}

scenarios('a dead node is replaced', (scenario) => {
  for (const role of ['follower', 'leader'] as const) {
    scenario(
      `what a ${role} ran is elsewhere within the TTL and 1.5 s; back, it gives up its old copies and takes new work`,
      async (cluster) => {
        const leader = await cluster.leader();
        const node = role === 'leader' ? leader : cluster.others(leader)[0];
        if (node === undefined) throw new Error('three nodes');
        // Well before: a new leader of etcd prolongs all leases once, until their next renewal.
        await cluster.keepEtcdLeadOff(node);
        await cluster.applyAll({
          // One on each node, and room for two on the others.
          'spread@.service': sleeper([], ['[X-Muster]', 'Replicas=3']),
          'exact.service': sleeper([], ['[X-Muster]', 'Disconnect=stop', 'Replicas=1']),
          'strict@.service': sleeper([], ['[X-Muster]', 'Replicas=3', 'Disconnect=stop']),
          pages: sleepingContainer('pages', ['replicas: 3']),
        });
        const lost = await ownRunners(cluster, node);
        const isStrict = ({ name }: Runner): boolean => /^(strict|exact)/.test(name);
        assert.ok(lost.filter(isStrict).length >= 1 && lost.length >= 3, JSON.stringify(lost));
        const others = await cluster.identities(cluster.others(node));

        const { atMs, goneAtMs } = await powerOff(cluster, node);
        const moved = await awaitElsewhere(cluster, lost, node);
        for (const each of moved) {
          const [sinceGone, sinceOff] = [each.startedAtMs - goneAtMs, each.startedAtMs - atMs];
          const told = `${each.name} began ${sinceOff} ms after the power-off, ${sinceGone} ms after presence was gone`;
          process.stdout.write(`# ${told}\n`);
          if (isStrict(each)) {
            assert.ok(sinceGone >= cluster.ttlMs, `${told}: never before the fence`);
            assert.ok(sinceOff <= 2 * cluster.ttlMs + 1_500, told);
          } else {
            const limitMs = replaceLimitMs + (each.name.endsWith('.service') ? 0 : busyDockerMs);
            assert.ok(sinceGone <= limitMs, told);
            assert.ok(sinceOff <= cluster.ttlMs + limitMs, told);
          }
        }
        assert.notEqual((await cluster.leader()).name, node.name);
        assert.deepEqual(
          (await cluster.identities(cluster.others(node))).filter((each) => others.includes(each)),
          others,
          'what ran on the others was not disturbed',
        );

        await node.boot();
        await cluster.awaitJoined(node);
        await eventually('only one copy of each', 20_000, async () => {
          const rows = await cluster.rows();
          return rows.length === 10 && rows.every(({ role: copy, phase }) => copy === 'current' && phase === 'running');
        });
        assert.deepEqual(await ownRunners(cluster, node), [], 'its stale copies are gone');
        await cluster.apply('new.service', sleeper([], placedOn(node)), ['--no-wait']);
        const [row] = await cluster.awaitRunning('new.service', 1);
        assert.equal(row?.node?.hostname, node.name);
      },
    );
  }

  scenario(
    'on a node that is cut off, keep runs on and stop ends before it begins elsewhere; one copy is left in the end',
    async (cluster) => {
      const node = cluster.others(await cluster.leader())[0];
      if (node === undefined) throw new Error('three nodes');
      await cluster.keepEtcdLeadOff(node);
      // Conflicts with what is on the other nodes put both on this one.
      await cluster.applyAll(
        Object.fromEntries(
          cluster.others(node).map((other) => [`wall-${other.name}.service`, sleeper([], placedOn(other))]),
        ),
      );
      await cluster.applyAll({
        'keeps.service': sleeper([], ['[X-Muster]', 'Conflicts=wall-*.service']),
        'stops.service': sleeper([], ['[X-Muster]', 'Conflicts=wall-*.service', 'Disconnect=stop']),
      });
      const here = await ownRunners(cluster, node);
      assert.deepEqual(
        here.map(({ name }) => name),
        ['keeps.service', 'stops.service'],
      );
      await cluster.muster(['rm', ...cluster.others(node).map(({ name }) => `wall-${name}.service`)]);

      await node.cutOff();
      const moved = await awaitElsewhere(cluster, here, node);
      const old = await cluster.runners([node]);
      const keeps = old.find(({ name }) => name === 'keeps.service');
      const stops = old.find(({ name }) => name === 'stops.service');
      const newStops = moved.find(({ name }) => name === 'stops.service');
      assert.equal(keeps?.active, true, 'keep runs on');
      assert.equal(keeps?.id, here[0]?.id);
      assert.equal(stops?.active, false);
      assert.ok((stops?.endedAtMs ?? Infinity) < (newStops?.startedAtMs ?? 0), 'at most one');

      const ids = moved.map(({ id }) => id).sort();
      await node.reconnect();
      await cluster.awaitJoined(node);
      await eventually('the stale copies gone', 20_000, async () => (await cluster.runners([node])).length === 0);
      assert.deepEqual((await cluster.runners()).map(({ id }) => id).sort(), ids, 'the replacements ran on');
    },
  );

  scenario('a redis with a volume waits for its node, says so, and comes back with its data', async (cluster) => {
    const [, , node] = cluster.nodes;
    if (node === undefined) throw new Error('three nodes');
    const zone = node.metadata.labels['zone'];
    const redis = (placement: string[]): string =>
      containerYaml('redis', ['image: redis:1', 'mounts: ["redis-data:/data"]', 'stopGrace: 2s'], placement);
    await cluster.apply('redis', redis([`placement: {constraints: ["zone=${zone}"]}`]));
    const ask = async (...words: string[]): Promise<string> =>
      eventually(`redis: ${words.join(' ')}`, 10_000, async () => {
        return (await node.run(['docker', 'exec', 'muster-redis.0', 'redis-cli', '-e', ...words])).stdout;
      });
    assert.equal(await ask('set', 'key', 'kept'), 'OK');
    // Only the volume binds it now.
    await cluster.apply('redis', redis([]));
    await node.run(['sync']);
    await powerOff(cluster, node);
    const [row] = await cluster.awaitRows('redis', 'lost, and waiting', 10_000, ([each]) => {
      return each?.phase === 'lost' && /redis-data|volume|data/.test(each.reason ?? '');
    });
    assert.equal(row?.node?.hostname, node.name);
    const explained = (await cluster.muster(['explain', 'redis'])).stdout;
    assert.match(explained, /node3 to come back/);
    assert.match(explained, /volume|data/);
    await node.boot();
    await cluster.awaitRunning('redis', 1, 30_000);
    assert.equal((await cluster.rows('redis'))[0]?.node?.hostname, node.name);
    assert.equal(await ask('get', 'key'), 'kept');
    await cluster.muster(['rm', 'redis']);
    await node.run(['docker', 'volume', 'rm', 'redis-data']);
  });
});
