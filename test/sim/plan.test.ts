import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadDocument } from '../../src/domain/document.ts';
import type { PlanAnswer, PlannedInstance } from '../../src/wire/plan-answers.ts';
import { SimCluster } from './cluster.ts';
import { type DocumentOptions, makeDocument } from './documents.ts';
import { SimWorld } from './sim-world.ts';

/** A plan is held against what then really happens. */

async function bootCluster() {
  const world = await SimWorld.open({ observeDelayMs: 10 });
  for (const machine of world.machines) machine.setNetwork({ delayMs: 4 });
  const cluster = new SimCluster(world, world.machines[0]!.config);
  for (const machine of world.machines) machine.boot();
  await cluster.apply('web', { replicas: 3 });
  await cluster.apply('ctl', { replicas: 2, mode: 'stop' });
  await cluster.apply('worker@.service', { replicas: 2, conflicts: ['worker@*.service'] });
  await cluster.apply('everywhere', { replicas: 0 });
  await cluster.apply('front', { replicas: 3, hostPort: 8080 });
  await cluster.converge(30_000);
  return { world, cluster };
}

function foretold({ workloads, others }: PlanAnswer): PlannedInstance[] {
  return [...workloads.flatMap((each) => ('problem' in each ? [] : each.instances)), ...others];
}

/** Which run of which instance is where. */
function runsOf(cluster: SimCluster, key: string): string[] {
  return cluster.whereIs(key).map((machine) => {
    const item = machine.item(key as PlannedInstance['key']);
    return `${machine.name} ${item?.id} ${item?.run}`;
  });
}

const hostOf = (run: string | undefined) => run?.split(' ')[0];

function check({ key, action, from, to }: PlannedInstance, before: readonly string[], after: readonly string[]): void {
  const what = `${key}: ${action} ${from?.hostname} → ${to?.hostname}, was ${before.join()}, is ${after.join()}`;
  if (action === 'stop' || action === 'wait') assert.deepEqual(after, [], what);
  else {
    assert.deepEqual(after.map(hostOf), [to?.hostname], what);
    assert.notDeepEqual(after, before, what);
  }
  assert.equal(hostOf(before[0]), from?.hostname, what);
}

const changes: [name: string, documents: Readonly<Record<string, DocumentOptions>>, remove: readonly string[]][] = [
  ['nothing', { web: { replicas: 3 } }, []],
  ['a new spec of several', { web: { replicas: 3, version: 2 }, ctl: { replicas: 2, mode: 'stop', version: 2 } }, []],
  ['more and fewer', { web: { replicas: 6 }, ctl: { replicas: 1, mode: 'stop' }, fresh: { replicas: 2 } }, []],
  ['more than there is room for', { front: { replicas: 5, hostPort: 8080 } }, []],
  ['another mode', { web: { replicas: 3, mode: 'stop' } }, []],
  ['a removal that makes room', { back: { replicas: 3, hostPort: 8080 } }, ['front']],
  ['what conflicts with others', { alone: { replicas: 1, conflicts: ['web.*'] } }, ['everywhere']],
];
for (const [name, documents, remove] of changes) {
  test(`a plan of ${name} is what then happens`, async () => {
    const { cluster } = await bootCluster();
    const sent: WorkloadDocument[] = Object.entries(documents).map(([each, options]) => makeDocument(each, options));
    const answer = await cluster.plan({ documents: sent, remove: [...remove] });
    assert.equal(answer.complete, true);
    const keys = () => new Set(cluster.machines.flatMap((machine) => machine.items.map(({ order }) => order.key)));
    const before = new Map([...keys()].map((key) => [key as string, runsOf(cluster, key)]));
    for (const each of remove) await cluster.remove(each);
    for (const [each, options] of Object.entries(documents)) await cluster.apply(each, options);
    const waiting = foretold(answer).filter(({ action }) => action === 'wait').length;
    if (waiting === 0) await cluster.converge(120_000);
    else await cluster.world.advance(120_000);
    const told = foretold(answer);
    for (const each of told) check(each, before.get(each.key) ?? [], runsOf(cluster, each.key));
    const named = new Set<string>(told.map(({ key }) => key));
    for (const key of new Set([...keys(), ...before.keys()])) {
      if (!named.has(key)) assert.deepEqual(runsOf(cluster, key), before.get(key) ?? [], `${key} was not foretold`);
    }
  });
}

test('a restart goes through a workload one healthy instance at a time, and only through that', async () => {
  const { world, cluster } = await bootCluster();
  const webs = ['web/0', 'web/1', 'web/2'];
  const before = cluster.runs;
  await cluster.restart('web');
  let [fewest, seen] = [webs.length, ''];
  await world.until(
    'all to be restarted',
    () => {
      const running = webs.filter((key) => cluster.whereIs(key).length === 1).length;
      fewest = Math.min(fewest, running);
      seen = webs.map((key) => runsOf(cluster, key).join()).join();
      const isNew = webs.every((key) =>
        runsOf(cluster, key).every((run) => !Object.values(before).includes(run.split(' ').slice(1).join(' #'))),
      );
      return running === webs.length && isNew && cluster.problems.length === 0;
    },
    60_000,
    10,
  );
  assert.equal(fewest, webs.length - 1, seen);
  await cluster.assertQuiet();
  const others = (runs: typeof before) => Object.entries(runs).filter(([name]) => !name.startsWith('web.'));
  assert.deepEqual(others(cluster.runs), others(before));
});

test('a restart of one instance leaves the others alone; one whose node is away is restarted when it is back', async () => {
  const { world, cluster } = await bootCluster();
  const [away] = cluster.whereIs('ctl/0');
  const before = cluster.runs;
  const stopped = away!.stopAgent();
  await cluster.restart('ctl', '0');
  await world.advance(5_000);
  await stopped;
  away!.startAgent();
  await cluster.converge(60_000);
  const changed = Object.entries(cluster.runs).filter(([name, run]) => before[name] !== run);
  assert.deepEqual(
    changed.map(([name]) => name.split(' ')[0]),
    ['ctl.0'],
  );
});
