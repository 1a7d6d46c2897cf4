import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { instanceCodec, nodeSettingsCodec, nodeVerdictCodec, workloadCodec } from '../../../src/cluster/codecs.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import type { EventLine } from '../../../src/wire/event-answers.ts';
import { eventually } from '../../support/eventually.ts';
import { addNode, assign, type Fixture, layout, node1, node2, openFixture, report } from '../api/api-fixture.ts';
import { makeWorkload } from '../plan/plan-cluster-world.ts';
import { type FakeTerminal, makeFakeTerminal } from './fake-terminal.ts';

/** The commands against the API itself: what a leader and a node do is played by the test. */

const key = 'web/0' as InstanceKey;

async function openCluster(t: TestContext): Promise<{ fixture: Fixture; terminal: () => FakeTerminal }> {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  return { fixture, terminal: () => makeFakeTerminal({ client: fixture.client }) };
}

async function run(terminal: FakeTerminal, ...argv: readonly string[]): Promise<string> {
  assert.equal(await terminal.run(...argv), 0, `${argv.join(' ')}: ${terminal.stderr()}`);
  return terminal.stdout();
}

function settingsOf({ store }: Fixture) {
  const stored = store.get(layout.nodeSettings(node1));
  return stored === undefined ? undefined : nodeSettingsCodec.decode(stored.value, stored.key);
}

test('cordon, uncordon and label say what they did, and what was so already', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  assert.equal(await run(terminal(), 'node', 'cordon', 'node1'), 'node1: cordoned: it gets no new work\n');
  assert.equal(await run(terminal(), 'node', 'cordon', 'node1'), 'node1: was so already\n');
  assert.match(await run(terminal(), 'node', 'ls'), /^node1 +\S+ +up, cordoned /m);
  assert.equal(await run(terminal(), 'node', 'uncordon', '1111', '-q'), 'node1\n');
  assert.equal(await run(terminal(), 'node', 'label', 'node1', 'zone=b', 'disk='), 'node1: labels set: disk= zone=b\n');
  assert.equal(await run(terminal(), 'node', 'label', 'node1', 'disk-'), 'node1: labels set: zone=b\n');
  assert.deepEqual(settingsOf(fixture)?.labels, { zone: 'b' });
  const json = JSON.parse(await run(terminal(), 'node', 'label', 'node1', 'zone-', '--json')) as object;
  assert.deepEqual(
    Object.keys(json)
      .filter((name) => ['changed', 'labels', 'node'].includes(name))
      .sort(),
    ['changed', 'labels', 'node'],
  );
  assert.match(await run(terminal(), 'node', 'inspect', 'node1'), /^Node: +node1\n[\s\S]*No instances\.\n$/);
});

const refusals: [argv: string[], code: number, says: RegExp][] = [
  [['node', 'cordon', 'node3'], 1, /Cannot find "node3": expected a node \(did you mean "node[12]"\?\)/],
  [['node', 'label', 'node1', 'zone'], 2, /Cannot read label "zone": expected KEY=VALUE, or KEY- to remove one/],
  [['node', 'label', 'node1'], 2, /expected LABEL/],
  [['node', 'drain', 'node1', '--force'], 2, /Cannot drain with --force: expected --deadline/],
  [['node', 'drain', 'node1', '--deadline', 'soon'], 2, /Cannot read --deadline "soon"/],
  [['node', 'rm', 'node1'], 1, /Cannot remove node "node1": it is up/],
];
for (const [argv, code, says] of refusals) {
  test(`muster ${argv.join(' ')} is refused with ${code}`, async (t) => {
    const terminal = (await openCluster(t)).terminal();
    assert.equal(await terminal.run(...argv), code);
    assert.match(terminal.stderr(), says);
  });
}

/** Takes the instance off node 1, as the leader does on its receipt. */
async function leave(fixture: Fixture): Promise<void> {
  await fixture.remove(layout.assignment(node1, key));
  await fixture.remove(layout.status(node1, key));
}

test('drain shows what each instance waits for, and ends when nothing was seen on the node any more', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  await assign(fixture, node1, key);
  const shown = terminal();
  const code = shown.run('node', 'drain', 'node1');
  await eventually('what it waits for', 5_000, () => shown.stdout().includes('web.0: waits: waits for its turn\n'));
  const copies = [
    { node: node2, role: 'current' as const },
    { node: node1, role: 'superseded' as const },
  ];
  await fixture.put(layout.instance(key), instanceCodec.encode({ copies, moves: [] }));
  await eventually('the move', 5_000, () => shown.stdout().includes('web.0: moving to node2: its new copy on node2'));
  await report(fixture, node1, key, { phase: 'stopped' });
  await leave(fixture);
  assert.equal(await code, 0, shown.stderr());
  assert.match(shown.stdout(), /web\.0: has left, 0 to go\ndrained: nothing is on node1 any more, in \d+\.\d s\n$/);
});

test('a drain whose deadline has passed ends with 3 and what is left; nothing is forced', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  await assign(fixture, node1, key);
  const shown = terminal();
  const code = shown.run('node', 'drain', 'node1', '--deadline', '10m');
  await eventually('the progress', 5_000, () => shown.stdout().includes('web.0: waits'));
  await shown.clock.advance(600_000);
  assert.equal(await code, 3);
  const left =
    /^muster: Accepted, but 1 instances are still on "node1" after 600\.0 s\n {2}web\.0: waits: waits for its turn\n/;
  assert.match(shown.stderr(), left);
  assert.match(shown.stderr(), /it goes on; muster node uncordon node1 ends it\n$/);
  const { drain, draining } = settingsOf(fixture) ?? {};
  assert.deepEqual([draining, drain?.force], [true, undefined]);
});

test('a drain that somebody ends is over for who waits for it', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  await assign(fixture, node1, key);
  const shown = terminal();
  const code = shown.run('node', 'drain', 'node1', '--json');
  await eventually('the drain', 5_000, () => settingsOf(fixture)?.draining === true);
  await fixture.client.uncordonNode('node1', t.signal);
  assert.equal(await code, 1);
  assert.match(shown.stderr(), /Cannot drain "node1" any longer: somebody has ended that meanwhile/);
  assert.equal((JSON.parse(shown.stdout()) as { outcome: string }).outcome, 'undone');
});

test('rm waits until the leader has forgotten the node', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  await fixture.remove(layout.presence(node1));
  await fixture.put(layout.verdict(node1), nodeVerdictCodec.encode({ lostSince: '2026-01-01T00:00:00.000Z' }));
  const shown = terminal();
  const code = shown.run('node', 'rm', 'node1');
  await eventually('the order', 5_000, () => settingsOf(fixture)?.removal !== undefined);
  await fixture.remove(layout.nodeRecord(node1));
  await eventually('its end', 5_000, async () => {
    await shown.clock.advance(250);
    return shown.stdout() !== '';
  });
  assert.equal(await code, 0);
  assert.match(shown.stdout(), /^node1: removed in \d+\.\d s\n$/);
});

test('events shows what happened as people and programs read it; history where an instance has been', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  await assign(fixture, node1, key);
  await report(fixture, node1, key, { phase: 'failed', lastError: 'exit code 3', since: '2026-01-01T00:00:05.000Z' });
  const all = await run(terminal(), 'events', '--utc', '--since', '2025-12-31T00:00:00Z');
  assert.match(all, /^2026-01-01 00:00:00Z {2}node\.joined {9}node1 joined the cluster\n/);
  assert.match(all, /^2026-01-01 00:00:05Z {2}instance\.failed {5}web\.0 failed on node1: exit code 3\n$/m);
  const json = (await run(terminal(), 'events', 'web', '--json', '--since', '0')).trim().split('\n');
  assert.deepEqual(
    json.map((line) => (JSON.parse(line) as { type: string }).type),
    ['instance.placed', 'instance.failed'],
  );
  assert.equal(await run(terminal(), 'events', 'nothing', '--since', '0'), 'Nothing happened.\n');
  const history = await run(terminal(), 'history', 'web', '--utc');
  assert.match(
    history,
    /^AT +INSTANCE +WHAT +FROM +NODE +WHY\n2026-01-01 00:00:00Z +web\.0 +placed +- +node1 +placed\n/,
  );
  assert.match(history, /web\.0 +failed +- +node1 +exit code 3\n$/);
  assert.doesNotMatch(await run(terminal(), 'history', 'web.0', '--moves'), /failed/);
});

test('events -f goes on with what happens, and after its agent was away with what came after the last that it told', async () => {
  const asked: (string | undefined)[] = [];
  const event = (revision: number): EventLine => {
    const about = { type: 'leader.changed', subject: 'cluster', text: `leader ${revision}` } as const;
    return { id: `${revision}`, revision, at: '2026-01-01T00:00:00.000Z', ...about };
  };
  const shown = makeFakeTerminal({
    client: {
      events: async function* ({ since }, signal) {
        asked.push(since);
        if (asked.length > 2) await once(signal, 'abort');
        signal.throwIfAborted();
        yield await Promise.resolve(event(asked.length));
        throw new AgentError('UNAVAILABLE', 'Cannot reach the agent');
      },
    },
  });
  const end = shown.run('events', '-f', '--quiet').catch(() => 'ended');
  await eventually('both', 5_000, async () => {
    await shown.clock.advance(500);
    return asked.length === 3;
  });
  shown.abort(new Error('enough'));
  await shown.clock.advance(500);
  assert.equal(await end, 'ended');
  assert.deepEqual(asked, [undefined, '1', '2']);
  assert.equal(shown.stdout(), 'leader 1\nleader 2\n');
});

test('explain and inspect take the name of one instance', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  await fixture.put(layout.workload('web' as WorkloadName), workloadCodec.encode(makeWorkload()));
  await assign(fixture, node1, key);
  assert.match(await run(terminal(), 'explain', 'web.0'), /web\.0: /);
  assert.match(await run(terminal(), 'inspect', 'web.0'), /^Instance: +web\.0\n/);
});
