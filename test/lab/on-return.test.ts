import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { beatingContainer, beatingUnit, prepareLog } from './checker/beating-work.ts';
import { aliveRuns, beganMs, lastBeatMs, nowMs, type Run, readRuns } from './checker/run-log.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { longestGapMs } from './scenario/coverage.ts';
import { homeOf, readRecord } from './scenario/history.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { scenarios } from './shared.ts';

/** Between two beats of a run on a busy machine. */
const gapLimitMs = 400;
/** Healthy without a check: it has run for so long. */
const healthyAfterMs = 3_000;

const choices = ['keep-replacement', 'keep-original', 'longest-running'] as const;
type Choice = (typeof choices)[number];

/** A unit and a container for each choice, by workload. */
function works(lines: Readonly<Record<string, readonly string[]>> = {}): Record<string, string> {
  return Object.fromEntries(
    choices.flatMap((choice) => [
      [
        `${choice}.service`,
        beatingUnit({ lines: [`OnReturn=${choice}`, `Conflicts=${walled}`, ...(lines[choice] ?? [])] }),
      ],
      [choice, container(choice)],
    ]),
  );
}

function container(choice: Choice): string {
  const text = beatingContainer(choice, { lines: [`placement: {conflicts: ["${walled}"]}`] });
  return text.replace('{mode: keep}', `{mode: keep, onReturn: ${choice}}`);
}

/** An empty log, and the image on every machine: a pull would take its time from what is watched. */
async function prepare(cluster: Cluster): Promise<void> {
  await prepareLog(cluster.lab);
  await Promise.all(cluster.nodes.map(async (node) => node.run(['docker', 'pull', '--quiet', 'busybox:1'])));
}

const instanceOf = (workload: string) => (workload.endsWith('.service') ? workload : `${workload}.0`);
const runsOf = (runs: readonly Run[], workload: string) =>
  runs.filter(({ instance }) => instance === instanceOf(workload));

async function awaitElsewhere(cluster: Cluster, names: readonly string[], node: LabNode): Promise<void> {
  const [asked] = cluster.others(node);
  for (const name of names) {
    await eventually(`${name} elsewhere`, 8 * cluster.ttlMs, async () => {
      return (await homeOf(cluster, name, asked)) !== node.name;
    });
  }
}

/** Waits until one copy of each is left, where it should be. */
async function awaitHomes(cluster: Cluster, names: readonly string[], home: (name: string) => boolean, node: LabNode) {
  for (const name of names) {
    const where = home(name) ? `on ${node.name}` : `not on ${node.name}`;
    await eventually(`${name} ${where}, alone`, 40_000, async () => {
      const isThere = (await homeOf(cluster, name)) === node.name;
      return isThere === home(name) && (await cluster.rows(name)).length === 1;
    });
  }
}

interface Expected {
  readonly node: LabNode;
  readonly survivesThere: boolean;
  readonly fromMs: number;
  readonly reason: RegExp;
}

/** It never stood still from then on, one run is left, and that one was well before the other ended. */
async function assertHandedOver(cluster: Cluster, name: string, expected: Expected): Promise<void> {
  const runs = runsOf(await readRuns(cluster.lab.logFolder), name);
  const atMs = nowMs();
  const alive = aliveRuns(runs, atMs, 3_000);
  const shown = JSON.stringify(runs.map(({ id, ended, stretches }) => ({ id, ended, stretches })));
  assert.equal(alive.length, 1, shown);
  const [survivor] = alive;
  assert.ok(survivor !== undefined);
  const gapMs = longestGapMs(runs, { fromMs: expected.fromMs, toMs: lastBeatMs(survivor) });
  const ends = runs.filter((run) => run !== survivor && lastBeatMs(run) > expected.fromMs).map(lastBeatMs);
  const sharedMs = Math.max(0, ...ends) - beganMs(survivor);
  const shared = ends.length === 0 ? 'no second copy' : `two copies for up to ${sharedMs.toFixed(0)} ms`;
  process.stdout.write(`# ${name}: longest gap ${gapMs.toFixed(0)} ms, ${shared}\n`);
  assert.ok(gapMs <= gapLimitMs, `${name} stood still for ${gapMs} ms: ${shown}`);
  assert.ok(
    ends.length === 0 || sharedMs >= healthyAfterMs - 1_000,
    `the survivor was well before the other ended: ${shown}`,
  );
  const { moves } = await readRecord(cluster, `${name}/0`);
  assert.match(moves.at(-1)?.reason ?? '', expected.reason);
}

scenarios('when a node is back', (scenario) => {
  scenario('after a cut each workload keeps the copy that it asked for, and is never without one', async (cluster) => {
    await prepare(cluster);
    const node = cluster.others(await cluster.leader())[0];
    if (node === undefined) throw new Error('three nodes');
    await cluster.keepEtcdLeadOff(node);
    const texts = works();
    const names = Object.keys(texts);
    await placeOn(cluster, node, texts);
    const before = await readRuns(cluster.lab.logFolder);
    const fromMs = nowMs();
    await node.cutOff();
    await awaitElsewhere(cluster, names, node);
    await node.reconnect();
    await cluster.awaitJoined(node);
    const survivesThere = (name: string) => !name.startsWith('keep-replacement');
    await awaitHomes(cluster, names, survivesThere, node);
    const after = await readRuns(cluster.lab.logFolder);
    for (const name of names) {
      const choice = name.replace('.service', '');
      const reason = survivesThere(name)
        ? new RegExp(`^${node.name} is back, and onReturn is ${choice}$`)
        : new RegExp(`^${node.name} is back; by ${choice} the copy on node\\d stays$`);
      await assertHandedOver(cluster, name, { node, survivesThere: survivesThere(name), fromMs, reason });
      const [original] = runsOf(before, name);
      const there = runsOf(after, name).filter((run) => run.node === original?.node);
      assert.equal(there.length, 1, `${name} was not started again on ${node.name}`);
      if (survivesThere(name)) assert.deepEqual(aliveRuns(runsOf(after, name), nowMs(), 5_000)[0]?.id, original?.id);
    }
  });

  scenario(
    'after a reboot the longest running is the replacement, the original comes back only once it is well',
    async (cluster) => {
      await prepare(cluster);
      const node = cluster.others(await cluster.leader())[0];
      if (node === undefined) throw new Error('three nodes');
      await cluster.keepEtcdLeadOff(node);
      const bad = '/var/tmp/no-good';
      const failing = beatingUnit({ lines: ['OnReturn=keep-original', `Conflicts=${walled}`] });
      const texts = {
        ...works(),
        'failing.service': failing.replace('[X-Muster]', `ExecStartPre=/usr/bin/test ! -e ${bad}\n[X-Muster]`),
      };
      const names = Object.keys(texts);
      await placeOn(cluster, node, texts);
      await node.run(['sh', '-c', `touch ${bad} && sync`]);
      await node.powerOff();
      await awaitElsewhere(cluster, names, node);
      const fromMs = nowMs();
      await node.boot();
      await cluster.awaitJoined(node);
      const survivesThere = (name: string) => name.startsWith('keep-original');
      await awaitHomes(cluster, names, survivesThere, node);
      for (const name of names) {
        const choice = name === 'failing.service' ? 'keep-original' : name.replace('.service', '');
        const reason = survivesThere(name)
          ? new RegExp(`^${node.name} is back, and onReturn is ${choice}$`)
          : new RegExp(`^${node.name} is back; by ${choice} the copy on node\\d stays$`);
        if (name !== 'failing.service')
          await assertHandedOver(cluster, name, { node, survivesThere: survivesThere(name), fromMs, reason });
        const runs = runsOf(await readRuns(cluster.lab.logFolder), name);
        assert.ok(longestGapMs(runs, { fromMs, toMs: nowMs() - 1_000 }) <= gapLimitMs, name);
        assert.match((await readRecord(cluster, `${name}/0`)).moves.at(-1)?.reason ?? '', reason);
      }
      await node.run(['rm', '-f', bad]);
    },
  );
});
