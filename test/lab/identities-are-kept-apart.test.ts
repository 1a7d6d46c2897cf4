import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

scenarios('identities are kept apart', (_, sideBySide) => {
  sideBySide((scenario) => {
    scenario(
      'a machine with the machine ID of another is refused and says why; the other notices nothing',
      async (cluster) => {
        const [original] = cluster.nodes;
        if (original === undefined) throw new Error('three nodes');
        await cluster.apply('each.service', sleeper([], ['[X-Muster]', 'Global=true']));
        const members = [...cluster.nodes].slice(0, 3);
        const own = async () => (await cluster.identities(members)).filter((each) => each.startsWith('each'));
        const places = async () => (await cluster.placements()).filter((each) => each.includes('each'));
        const [identities, placements] = [await own(), await places()];
        const presence = await cluster.presenceKey(original);
        const before = await cluster.store.get(presence);

        const clone = await cluster.lab.addNode({ machineId: original.machineId });
        const { status } = await cluster.awaitState(clone, 'refused', 20_000, (state) =>
          /machine ID/.test(state.status),
        );
        assert.match(status, new RegExp(`Cannot join as machine ID ${original.machineId}`));
        assert.match(status, /another machine|has it too/);
        assert.match(status, /machine-id/);
        assert.equal((await cluster.stateOf(clone)).joined, false);
        const shown = await clone.run(['systemctl', 'show', '--property=StatusText,ActiveState', '--value', 'muster']);
        assert.ok(shown.stdout.includes(status) && shown.stdout.includes('active'), shown.stdout);
        assert.match(await clone.journal('muster.service'), /join refused/);
        assert.equal(
          (await clone.run(['muster', 'wait', '--joined', '--timeout', '1s'], { reject: false })).exitCode,
          3,
        );

        const after = await cluster.store.get(presence);
        assert.deepEqual([after?.lease, after?.createRevision], [before?.lease, before?.createRevision]);
        assert.deepEqual(await own(), identities);
        assert.deepEqual(await cluster.runners([clone]), [], 'nothing runs on the clone');
        assert.deepEqual(await places(), placements);
        assert.equal((await cluster.nodeRows()).length, 3);
        assert.equal((await cluster.stateOf(original)).joined, true);
      },
    );

    scenario('two clusters on one etcd are invisible to each other', async (cluster) => {
      await cluster.applyAll({ same: sleepingContainer('same', ['replicas: 3']), 'same.service': sleeper() });
      const members = [...cluster.nodes].slice(0, 3);
      const same = async () => (await cluster.identities(members)).filter((each) => each.includes('same'));
      const before = await same();
      const stranger = await cluster.lab.addNode({ clusterId: 'lab-2' });
      await eventually('the other cluster led', 20_000, async () => {
        const { stdout } = await stranger.run(['muster', 'node', 'ls', '--json']);
        const { nodes } = JSON.parse(stdout) as { nodes: { hostname: string; leader: boolean }[] };
        assert.deepEqual(
          nodes.map(({ hostname }) => hostname),
          [stranger.name],
        );
        return nodes[0]?.leader;
      });
      assert.match((await stranger.run(['muster', 'ls'])).stdout, /^No workloads/);
      const other = {
        same: sleepingContainer('same', ['replicas: 2']),
        'same.service': sleeper(['Environment=OTHER=1']),
      };
      await cluster.applyAll(other, { on: stranger });
      const own = await cluster.runners([stranger]);
      assert.deepEqual(
        own.map(({ name }) => name),
        ['muster-same.0', 'muster-same.1', 'same.service'],
      );
      assert.equal((await cluster.rows('same')).length, 3);
      assert.deepEqual((await cluster.nodeRows()).map(({ hostname }) => hostname).sort(), ['node1', 'node2', 'node3']);
      await stranger.run(['muster', 'rm', 'same', 'same.service']);
      await eventually('nothing left of it', 15_000, async () => (await cluster.runners([stranger])).length === 0);
      assert.deepEqual(await same(), before);
      assert.deepEqual(
        (await cluster.workloads())
          .map(({ name }) => name as string)
          .filter((name) => name.startsWith('same'))
          .sort(),
        ['same', 'same.service'],
      );
    });
  });
});
