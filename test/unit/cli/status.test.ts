import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  holdCodec,
  instanceCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import type { Hold } from '../../../src/domain/node.ts';
import type { StatusAnswer } from '../../../src/wire/status-answers.ts';
import {
  addLeader,
  addNode,
  assign,
  type Fixture,
  layout,
  node1,
  node2,
  openFixture,
  report,
} from '../api/api-fixture.ts';
import { makeWorkload } from '../plan/plan-cluster-world.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

const web = 'web/0' as InstanceKey;
const hold: Hold = {
  kind: 'mass-loss',
  since: '2026-01-01T00:00:00.000Z',
  until: '2026-01-01T00:00:50.000Z',
  reason: '2 of 3 nodes vanished together',
  nodes: [node2],
};

/** Two nodes, a workload on the second, which is lost and held. */
async function openHeld(t: TestContext): Promise<Fixture> {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await addLeader(fixture, node1);
  await fixture.put(layout.workload('web' as WorkloadName), workloadCodec.encode(makeWorkload()));
  await assign(fixture, node2, web);
  await report(fixture, node2, web, {});
  await fixture.remove(layout.presence(node2));
  await fixture.put(
    layout.verdict(node2),
    nodeVerdictCodec.encode({ lostSince: '2025-12-31T23:59:50.000Z', flaps: 1 }),
  );
  await fixture.put(layout.hold('mass-loss'), holdCodec.encode(hold));
  return fixture;
}

async function run(fixture: Fixture, ...argv: string[]) {
  const terminal = makeFakeTerminal({ client: fixture.client });
  const code = await terminal.run(...argv);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test('status shows who leads, who is missing, what is held and how to end that, and what is not as desired', async (t) => {
  const fixture = await openHeld(t);
  const { code, stdout } = await run(fixture, 'status');
  assert.equal(code, 0);
  for (const text of [
    /^State: +1 node lost, replacement held, 1 workload not as desired$/m,
    /^Leader: +node1, term \d+$/m,
    /^etcd: +answers \(\d+ ms\), raft term 2, revision \d+$/m,
    /^Nodes: +1 up, 1 lost$/m,
    /^Workloads: +0 of 1 as desired; 0 of 1 instances healthy$/m,
    /^Held: 2 of 3 nodes vanished together, 0s ago \(2026-01-01 01:00:00\+01:00\)\n {2}nothing of node2 is replaced until 2026-01-01 01:00:50\+01:00,/m,
    /^ {2}to replace it now: muster cluster release-hold$/m,
    /^node2 +lost for 10s +held until 00:00:50 UTC/m,
    /^web +0 of 1 healthy, under way +web\.0: node2 is lost: held until 00:00:50 UTC, since 2 of 3 nodes vanished/m,
  ])
    assert.match(stdout, text);
});

test('explain says that a lost copy is held, until when and how to release it', async (t) => {
  const { stdout } = await run(await openHeld(t), 'explain', 'web');
  assert.match(
    stdout,
    /node2 is lost: held until 00:00:50 UTC, since 2 of 3 nodes vanished together; "muster cluster release-hold" ends that/,
  );
});

test('release-hold ends the hold in the store, once', async (t) => {
  const fixture = await openHeld(t);
  const first = await run(fixture, 'cluster', 'release-hold');
  assert.deepEqual([first.code, first.stdout], [0, 'released node2: 2 of 3 nodes vanished together\n']);
  const key = layout.hold('mass-loss');
  const stored = fixture.store.get(key);
  assert.equal(holdCodec.decode(stored?.value ?? '', key).ended?.reason, 'released by an operator');
  assert.doesNotMatch((await run(fixture, 'status')).stdout, /Held|held/);
  const again = await run(fixture, 'cluster', 'release-hold');
  assert.equal(again.code, 1);
  assert.match(again.stderr, /Cannot release a hold: nothing is held/);
});

test('status says that a node flaps and from when on it gets new work', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  const verdict = { flaps: 3, calmUntil: '2999-01-01T12:30:00.000Z' };
  await fixture.put(layout.verdict(node1), nodeVerdictCodec.encode(verdict));
  const { stdout } = await run(fixture, 'status');
  assert.match(stdout, /^node1 +up +lost 3 times of late, gets new work from 12:30:00 UTC$/m);
});

test('status answers while etcd is away, with what the node knows by itself, and ends with 1', async (t) => {
  const fixture = await openHeld(t);
  fixture.setState({ joined: false, text: 'etcd has not answered in time: what runs, runs on' });
  fixture.kv.setFaults({ unreachable: 'refuse' });
  const { code, stdout } = await run(fixture, 'status');
  assert.equal(code, 1);
  assert.match(stdout, /^This node: +node1, etcd has not answered in time/m);
  assert.match(stdout, /^etcd: +does not answer: Cannot read the identity of the store/m);
});

test('status gives programs the same', async (t) => {
  const fixture = await openHeld(t);
  await fixture.put(layout.instance('web/1' as InstanceKey), instanceCodec.encode({ copies: [], moves: [] }));
  const answer = JSON.parse((await run(fixture, 'status', '--json')).stdout) as StatusAnswer;
  assert.deepEqual(answer.cluster?.nodes, { up: 1, leaving: 0, away: 0, 'in-doubt': 0, lost: 1 });
  assert.deepEqual(
    answer.cluster?.holds.map(({ nodes }) => nodes.map(({ hostname }) => hostname)),
    [['node2']],
  );
});

test('status says that all is as desired, and which nodes get no work because of what an operator ordered', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await addLeader(fixture, node1);
  fixture.setState({ store: { state: 'good', since: '2025-12-31T21:00:00.000Z', text: 'etcd answers' } });
  const sound = await run(fixture, 'status');
  assert.match(sound.stdout, /^State: +all is as desired$/m);
  assert.match(sound.stdout, /^etcd: +answers \(\d+ ms\), good for 3h00m, raft term/m);
  const settings = { cordoned: true, draining: false, labels: {} };
  await fixture.put(layout.nodeSettings(node1), nodeSettingsCodec.encode(settings));
  const drain = { since: '2026-01-01T00:00:00.000Z', deadline: '2026-01-01T00:10:00.000Z' };
  await fixture.put(layout.nodeSettings(node2), nodeSettingsCodec.encode({ ...settings, draining: true, drain }));
  const ordered = await run(fixture, 'status');
  assert.match(
    ordered.stdout,
    /^node1 +up +cordoned: it gets no new work\nnode2 +up +being drained, by 00:10:00 UTC$/m,
  );
});
