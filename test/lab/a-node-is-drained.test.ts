import assert from 'node:assert/strict';
import type { NodesAnswer } from '../../src/wire/answers.ts';
import type { HistoryAnswer } from '../../src/wire/event-answers.ts';
import type { DrainProgress } from '../../src/wire/node-settings-answers.ts';
import { eventually } from '../support/eventually.ts';
import { beatingContainer, beatingUnit, prepareLog } from './checker/beating-work.ts';
import { judge } from './checker/judge.ts';
import { aliveRuns, nowMs, type Run, readRuns } from './checker/run-log.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { longestGapMs } from './scenario/coverage.ts';
import { homeOf } from './scenario/history.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { containerYaml, sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Between two beats of a run on a busy machine. */
const gapLimitMs = 400;
/** What the slow one takes to stop: longer than it takes to be seen stopping, and to power its machine off then. */
const stopMs = 6_000;

const conflicts = `Conflicts=${walled}`;
const workloads: readonly string[] = ['spread@.service', 'pages', 'slow.service', 'each.service'];

async function progressOf(cluster: Cluster, node: LabNode): Promise<DrainProgress> {
  const [asked] = cluster.others(node);
  return cluster.ask(async (client, signal) => client.drainProgress(node.name, signal), asked);
}

/** Waits until a drain is as far as the check has it. */
async function awaitDrain(
  cluster: Cluster,
  node: LabNode,
  what: string,
  check: (progress: DrainProgress) => boolean,
): Promise<DrainProgress> {
  return eventually(`${node.name}: ${what}`, 40_000, async () => {
    const progress = await progressOf(cluster, node);
    if (check(progress)) return progress;
    throw new Error(JSON.stringify(progress.left.map(({ instance, state, why }) => [instance, state, why])));
  });
}

/** Each of these is healthy as often as it should be, and nothing else of it is anywhere. */
async function awaitWhole(cluster: Cluster, counts: Readonly<Record<string, number>>): Promise<void> {
  for (const [name, count] of Object.entries(counts)) await cluster.awaitRunning(name, count, 40_000);
}

/** No `stop` instance ever ran twice at once, whatever was done. */
async function assertNoOverlap(cluster: Cluster): Promise<readonly Run[]> {
  const runs = await readRuns(cluster.lab.logFolder);
  const { overlaps } = judge({ runs, faults: [], reasons: [], writes: [], atMs: nowMs(), thawBoundMs: 0 });
  assert.deepEqual(overlaps, []);
  return runs;
}

/** Nothing of muster's is on the machine, by systemd and dockerd and by what the work itself notes. */
async function assertNothingOn(cluster: Cluster, node: LabNode): Promise<void> {
  const { id } = await cluster.nodeRow(node);
  assert.deepEqual(
    (await cluster.runners([node])).filter(({ active }) => active),
    [],
  );
  const alive = aliveRuns(await readRuns(cluster.lab.logFolder), nowMs(), 200).filter((run) => run.node === id);
  assert.deepEqual(alive, []);
}

/** What stays healthy all the time is never without a copy that runs. */
function assertNeverMissing(runs: readonly Run[], fromMs: number): void {
  const kept = Map.groupBy(
    runs.filter(({ mode, instance }) => mode === 'keep' && !instance.startsWith('each')),
    ({ instance }) => instance,
  );
  for (const [instance, mine] of kept) {
    const toMs = Math.max(...mine.flatMap(({ stretches }) => stretches.map((stretch) => stretch.toMs)));
    const gapMs = longestGapMs(mine, { fromMs, toMs });
    assert.ok(gapMs <= gapLimitMs, `${instance} stood still for ${gapMs} ms`);
  }
}

scenarios('a node is drained', (scenario) => {
  scenario(
    'in order and to the end: units, containers, a slow stop; powered off in between nothing is lost',
    async (cluster) => {
      await prepareLog(cluster.lab);
      const [node] = cluster.others(await cluster.leader());
      if (node === undefined) throw new Error('three nodes');
      await placeOn(cluster, node, {
        'slow.service': beatingUnit({ disconnect: 'stop', stopMs, lines: [conflicts] }),
        'spread@.service': beatingUnit({ lines: ['Replicas=2', conflicts] }),
        pages: beatingContainer('pages', { lines: ['replicas: 2', `placement: {conflicts: ["${walled}"]}`] }),
      });
      await cluster.applyAll({
        'each.service': beatingUnit({ lines: ['Global=true'] }),
        'pinned.service': sleeper([], ['[X-Muster]', `MachineID=${node.machineId}`]),
      });
      const fromMs = nowMs();

      await cluster.muster(['node', 'drain', node.name, '--no-wait']);
      await awaitDrain(cluster, node, 'only what cannot leave left', ({ left }) => left.length === 2);
      const late = await cluster.muster(['node', 'drain', node.name, '--deadline', '3s'], { reject: false });
      assert.equal(late.exitCode, 3, late.stderr);
      assert.match(late.stderr, /Accepted, but 2 instances are still on "node\d"/);
      assert.match(late.stderr, /pinned\.service: blocked: cannot leave node\d \(draining\): none of 3 nodes fits/);
      assert.match(late.stderr, /each\.service|each@|each/);
      await cluster.muster(['rm', 'pinned.service']);
      const done = await cluster.muster(['node', 'drain', node.name]);
      assert.match(done.stdout, /^drained: nothing is on node\d any more, in /m);
      await assertNothingOn(cluster, node);
      await awaitWhole(cluster, { 'spread@.service': 2, pages: 2, 'slow.service': 1, 'each.service': 2 });
      const runs = await assertNoOverlap(cluster);
      assertNeverMissing(runs, fromMs);
      const [first, second] = runs.filter(({ instance }) => instance === 'slow.service');
      assert.ok(first !== undefined && second !== undefined && first.ended, 'it was left to end by itself');
      await eventually('it is shown', 5_000, async () => {
        return new RegExp(`^${node.name} .* up, drained `, 'm').test((await cluster.muster(['node', 'ls'])).stdout);
      });
      await eventually('the event', 5_000, async () => {
        return / node\.drained /.test((await cluster.muster(['events', node.name])).stdout);
      });

      await cluster.muster(['node', 'uncordon', node.name]);
      await awaitWhole(cluster, { 'each.service': 3 });
      const home = cluster.lab.node(
        await eventually('the slow one well', 10_000, async () => homeOf(cluster, 'slow.service')),
      );
      await cluster.keepEtcdLeadOff(home);
      await cluster.muster(['node', 'drain', home.name, '--no-wait']);
      await awaitDrain(cluster, home, 'the slow one stopping', ({ left }) => {
        return left.some(({ instance, state }) => instance === 'slow.service' && state === 'stopping');
      });
      await home.powerOff();
      for (const name of ['spread@.service', 'pages', 'slow.service']) {
        await eventually(`${name} elsewhere`, 40_000, async () => {
          const rows = (await cluster.rows(name)).filter(({ role }) => role === 'current');
          const isWhole = rows.length === (name === 'slow.service' ? 1 : 2);
          return isWhole && rows.every(({ node: on, healthy }) => healthy && on?.hostname !== home.name);
        });
      }
      await home.boot();
      await cluster.awaitJoined(home);
      assert.equal((await cluster.muster(['node', 'drain', home.name, '--deadline', '30s'])).exitCode, 0);
      await assertNothingOn(cluster, home);
      await cluster.muster(['node', 'uncordon', home.name]);
      await awaitWhole(cluster, { 'spread@.service': 2, pages: 2, 'slow.service': 1, 'each.service': 3 });
      await assertNoOverlap(cluster);
      const history = await cluster.musterJson<HistoryAnswer>(['history', 'slow.service', '--moves']);
      assert.deepEqual(
        history.entries.map(({ what }) => what),
        ['placed', 'moved', 'moved'],
      );
      await cluster.muster(['rm', ...workloads]);
    },
  );

  scenario('gone for good, it is forgotten, and what waited for it moves on', async (cluster) => {
    const [node] = cluster.others(await cluster.leader());
    if (node === undefined) throw new Error('three nodes');
    await placeOn(cluster, node, {
      data: containerYaml(
        'data',
        ['image: busybox:1', 'command: [sleep, infinity]', 'stopSignal: SIGKILL', 'mounts: ["kept:/data"]'],
        [`placement: {conflicts: ["${walled}"]}`],
      ),
      'strict.service': sleeper([], ['[X-Muster]', 'Disconnect=stop', conflicts]),
    });
    const present = await cluster.muster(['node', 'rm', node.name], { reject: false });
    assert.match(present.stderr, /it is up; expected one that is gone for good/);
    await cluster.keepEtcdLeadOff(node);
    const presence = await cluster.presenceKey(node);
    await node.powerOff();
    await cluster.awaitGone(presence, 3 * cluster.ttlMs);
    await cluster.awaitRows('data', 'lost, and waiting', 10_000, ([row]) => /its data is on/.test(row?.reason ?? ''));
    const { stdout } = await cluster.muster(['node', 'rm', node.name, '--force']);
    assert.match(stdout, /removed in/);
    const { nodes } = await cluster.musterJson<NodesAnswer>(['node', 'ls']);
    assert.deepEqual(nodes.map(({ hostname }) => hostname).includes(node.name), false);
    await cluster.awaitRunning('data', 1);
    await cluster.awaitRunning('strict.service', 1);
    await node.boot();
    await cluster.awaitJoined(node);
    await eventually('only one of each', 20_000, async () => {
      const active = (await cluster.runners()).filter((runner) => runner.active);
      return active.length === 2 && active.every((runner) => runner.node !== node.name);
    });
  });
});
