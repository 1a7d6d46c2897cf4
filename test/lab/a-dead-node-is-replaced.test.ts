import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { PauseWatch } from '../support/pause-watch.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster, Gone } from './scenario/cluster.ts';
import type { Runner } from './scenario/machine-truth.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { containerYaml, sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** From the loss that was seen to the replacement's start. */
const replaceLimitMs = 1_500;
/** etcd looks for leases that have run out so often. */
const expiryLookMs = 500;
/** From the loss that was seen to the order. */
const orderLimitMs = 1_300;
/** What dockerd may take to start a container on a busy machine, beyond what is within the limit. */
const busyDockerMs = 1_000;

interface Loss {
  readonly atMs: number;
  readonly gone: Gone;
}

/** Powers a node off; when that was, and when its presence was gone. */
async function powerOff(cluster: Cluster, node: LabNode): Promise<Loss> {
  const presence = await cluster.presenceKey(node);
  const atMs = Date.now();
  const off = node.powerOff();
  const gone = await cluster.awaitGone(presence, cluster.ttlMs * 3);
  await off;
  return { atMs, gone };
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

function isStrict({ name }: Runner): boolean {
  return name.startsWith('strict');
}

/** One node dies and comes back: its work is elsewhere in time, that of the others is not disturbed, and it takes new work. */
async function loseAndRegain(cluster: Cluster, node: LabNode): Promise<void> {
  await cluster.keepEtcdLeadOff(node);
  const lost = await ownRunners(cluster, node);
  assert.ok(lost.some(isStrict) && !lost.every(isStrict), JSON.stringify(lost));
  const others = await cluster.identities(cluster.others(node));
  using pauses = new PauseWatch();
  const loss = await powerOff(cluster, node);
  const moved = await awaitElsewhere(cluster, lost, node);
  const pauseMs = pauses.longestMs;
  process.stdout.write(`# the longest pause of this machine: ${Math.round(pauseMs)} ms\n`);
  for (const each of moved) assertInTime(cluster, each, loss, pauseMs);
  await assertOrderedInTime(cluster, loss, pauseMs);
  const now = await cluster.identities(cluster.others(node));
  assert.deepEqual(
    now.filter((each) => others.includes(each)),
    others,
    'what ran on the others was not disturbed',
  );

  await node.boot();
  await cluster.awaitJoined(node);
  await eventually('only one copy of each', 20_000, async () => {
    const rows = await cluster.rows();
    return rows.length === 9 && rows.every(({ role, phase }) => role === 'current' && phase === 'running');
  });
  await eventually('its stale copies gone', 5_000, async () => (await cluster.runners([node])).length === 0);
  await cluster.apply('new.service', sleeper([], placedOn(node)), ['--no-wait']);
  const [row] = await cluster.awaitRunning('new.service', 1);
  assert.equal(row?.node?.hostname, node.name);
  await cluster.muster(['rm', 'new.service']);
}

/** @param pauseMs what the machine itself adds to each limit */
function assertInTime(cluster: Cluster, each: Runner, { atMs, gone }: Loss, pauseMs: number): void {
  const [sinceGone, sinceOff] = [each.startedAtMs - gone.seenMs, each.startedAtMs - atMs];
  const told = `${each.name} began ${sinceOff} ms after the power-off, ${sinceGone} ms after presence was gone`;
  process.stdout.write(`# ${told}\n`);
  if (isStrict(each)) {
    assert.ok(each.startedAtMs - gone.afterMs >= cluster.ttlMs, `${told}: never before the fence`);
    assert.ok(sinceOff <= 2 * cluster.ttlMs + replaceLimitMs + pauseMs, told);
  } else {
    const limitMs = pauseMs + replaceLimitMs + (each.name.endsWith('.service') ? 0 : busyDockerMs);
    assert.ok(sinceGone <= limitMs, told);
    assert.ok(sinceOff <= cluster.ttlMs + expiryLookMs + limitMs, told);
  }
}

/** Whatever systemd and dockerd took: the leader's own part. */
async function assertOrderedInTime(cluster: Cluster, { gone }: Loss, pauseMs: number): Promise<void> {
  const records = await cluster.store.list(`${cluster.root}instances/`);
  for (const { key, value } of records) {
    const { moves } = JSON.parse(value) as { moves: { at: string; from?: string }[] };
    const last = moves.at(-1);
    if (last?.from === undefined || Date.parse(last.at) < gone.afterMs || key.includes('strict')) continue;
    const tookMs = Date.parse(last.at) - gone.seenMs;
    assert.ok(tookMs < orderLimitMs + pauseMs, `${key} was ordered elsewhere ${tookMs} ms after presence was gone`);
  }
}

scenarios('a dead node is replaced', (scenario) => {
  scenario('what it ran is elsewhere within the TTL and 1.5 s; back, it gives up its old copies', async (cluster) => {
    await cluster.startAll({
      'spread@.service': sleeper([], ['[X-Muster]', 'Replicas=3']),
      'strict@.service': sleeper([], ['[X-Muster]', 'Replicas=3', 'Disconnect=stop']),
      pages: sleepingContainer('pages', ['replicas: 3']),
    });
    const [follower] = cluster.others(await cluster.leader());
    if (follower === undefined) throw new Error('three nodes');
    await loseAndRegain(cluster, follower);
    const leader = await cluster.leader();
    await loseAndRegain(cluster, leader);
    assert.notEqual(await cluster.leader(), leader);
  });

  scenario(
    'on a node that is cut off, keep runs on and stop ends before it begins elsewhere; one copy is left in the end',
    async (cluster) => {
      const node = cluster.others(await cluster.leader())[0];
      if (node === undefined) throw new Error('three nodes');
      await cluster.keepEtcdLeadOff(node);
      await placeOn(cluster, node, {
        'keeps.service': sleeper([], ['[X-Muster]', `Conflicts=${walled}`]),
        'stops.service': sleeper([], ['[X-Muster]', `Conflicts=${walled}`, 'Disconnect=stop']),
      });
      const here = await ownRunners(cluster, node);
      assert.deepEqual(
        here.map(({ name }) => name),
        ['keeps.service', 'stops.service'],
      );
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
    await cluster.removeVolume(node, 'redis-data');
  });
});
