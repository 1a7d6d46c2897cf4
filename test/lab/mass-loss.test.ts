import assert from 'node:assert/strict';
import type { StatusAnswer } from '../../src/wire/status-answers.ts';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const awayMs = 20_000;

const work = {
  'spread@.service': sleeper([], ['[X-Muster]', 'Replicas=4', 'Conflicts=spread@*.service']),
  'exact@.service': sleeper([], ['[X-Muster]', 'Replicas=4', 'Conflicts=exact@*.service', 'Disconnect=stop']),
  'free@.service': sleeper([], ['[X-Muster]', 'Replicas=4']),
};

interface Halves {
  readonly lost: readonly LabNode[];
  /** The first of them leads. */
  readonly left: readonly [LabNode, LabNode];
}

/** Four nodes with work on each; those to be lost lead neither the cluster nor etcd, and leave etcd its majority. */
async function fillFourNodes(cluster: Cluster): Promise<Halves> {
  const fourth = await cluster.lab.addNode();
  await cluster.awaitJoined(fourth);
  await cluster.startAll(work);
  const leader = await cluster.leader();
  const members = cluster.nodes.slice(0, 3);
  const member = members.find((node) => node !== leader);
  const other = members.find((node) => node !== leader && node !== member);
  assert.ok(member !== undefined && other !== undefined && leader !== fourth, 'a member of etcd leads');
  await cluster.keepEtcdLeadOff(member);
  return { lost: [member, fourth], left: [leader, other] };
}

/** While the fourth node is there to obey: nobody else can take its orders away. */
async function removeAll(cluster: Cluster): Promise<void> {
  await cluster.muster(['rm', ...Object.keys(work)]);
}

async function status(cluster: Cluster, on: LabNode): Promise<StatusAnswer> {
  return cluster.musterJson<StatusAnswer>(['status'], { on });
}

async function awaitHold(cluster: Cluster, on: LabNode, lost: readonly LabNode[]): Promise<void> {
  // Of an early loss, after an election of etcd, the other node is held before its own lease is over.
  await eventually('the loss held, and all of them lost', 3 * cluster.ttlMs, async () => {
    const { cluster: seen } = await status(cluster, on);
    const isLost = ({ name }: LabNode) =>
      seen?.unusual.some(({ node, state }) => node.hostname === name && state === 'lost') === true;
    return seen?.holds[0]?.nodes.length === lost.length && lost.every(isLost);
  });
  const { stdout } = await cluster.muster(['status'], { on });
  assert.match(stdout, /^Held: 2 of 4 nodes vanished together[\s\S]*muster cluster release-hold/m);
  for (const { name } of lost) assert.match(stdout, new RegExp(`^${name} +lost`, 'm'));
}

/** The agent that leads is stopped for a moment: the other one that is left leads. */
async function changeLeader(cluster: Cluster, [leader, other]: Halves['left']): Promise<void> {
  await leader.run(['systemctl', 'restart', 'muster']);
  await cluster.awaitState(other, 'leads', 5 * cluster.ttlMs, (state) => state.leader);
  await cluster.awaitJoined(leader);
}

/** Where the work runs that needs no node of its own. */
async function freeOn(cluster: Cluster, on: LabNode): Promise<string[]> {
  const rows = await cluster.rows('free@.service', on);
  return rows
    .filter(({ role, phase }) => role === 'current' && phase === 'running')
    .map(({ node }) => node?.hostname ?? '');
}

scenarios('mass loss', (scenario) => {
  scenario(
    'half of the nodes vanish and are back after 20 s, the leader changes meanwhile: nothing is moved',
    async (cluster) => {
      const { lost, left } = await fillFourNodes(cluster);
      const [identities, placements] = [await cluster.identities(left), await cluster.placements()];
      const beganMs = performance.now();
      await Promise.all(lost.map(async (node) => node.cutOff()));
      await awaitHold(cluster, left[0], lost);
      process.stdout.write(`# held ${((performance.now() - beganMs) / 1000).toFixed(1)} s after the loss\n`);
      await changeLeader(cluster, left);
      assert.equal((await status(cluster, left[1])).cluster?.holds.length, 1, 'the next leader knows of it');
      await cluster.apply('during.service', sleeper(), ['--no-wait'], { on: left[1] });
      await eventually('new work taken', 10_000, async () => {
        const [row] = await cluster.rows('during.service', left[1]);
        return row?.phase === 'running' && left.some(({ name }) => name === row.node?.hostname);
      });
      await cluster.muster(['rm', 'during.service'], { on: left[1] });
      await eventually('20 s over', awayMs, () => performance.now() - beganMs > awayMs, 200);
      assert.deepEqual(await cluster.placements(), placements, 'nothing was moved while they were away');
      await Promise.all(lost.map(async (node) => node.reconnect()));
      await eventually(
        'the hold over',
        30_000,
        async () => (await status(cluster, left[0])).cluster?.holds.length === 0,
      );
      await eventually('all as desired', 30_000, async () => {
        const { cluster: found } = await status(cluster, left[0]);
        if (found?.short.length === 0) return true;
        throw new Error(JSON.stringify(found?.short));
      });
      assert.deepEqual(await cluster.placements(), placements, 'nothing was moved');
      assert.deepEqual(await cluster.identities(left), identities, 'nothing was disturbed on those that stayed');
      await removeAll(cluster);
    },
  );

  scenario(
    'half of the nodes die: their work is held over a change of leader, until an operator releases it',
    async (cluster) => {
      const { lost, left } = await fillFourNodes(cluster);
      const [first] = left;
      const names = left.map(({ name }) => name);
      await Promise.all(lost.map(async (node) => node.powerOff()));
      await awaitHold(cluster, first, lost);
      await changeLeader(cluster, left);
      const explained = await cluster.muster(['explain', 'free@.service'], { on: first });
      assert.match(explained.stdout, /is lost: held until [\d:]+ UTC, since 2 of 4 nodes vanished together/);
      assert.equal((await freeOn(cluster, first)).length, 2, 'what the lost ones ran is held');
      const released = await cluster.muster(['cluster', 'release-hold'], { on: first });
      assert.match(released.stdout, /^released .*: 2 of 4 nodes vanished together/);
      await eventually('what may run elsewhere does', 15_000, async () => {
        const found = await freeOn(cluster, first);
        return found.length === 4 && found.every((name) => names.includes(name));
      });
      const again = await cluster.muster(['cluster', 'release-hold'], { on: first, reject: false });
      assert.equal(again.exitCode, 1);
      assert.match(again.stderr, /nothing is held/);
      assert.match((await cluster.muster(['status'], { on: first })).stdout, /^spread@\.service +2 of 4 healthy/m);
      await Promise.all(lost.map(async (node) => node.boot()));
      for (const node of lost) await cluster.awaitJoined(node);
      await removeAll(cluster);
    },
  );
});
