import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nodeSettingsCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { LogLine } from '../../../src/runtime/port.ts';
import { eventually } from '../../support/eventually.ts';
import {
  addLeader,
  addNode,
  assign,
  type FakeRuntime,
  type Fixture,
  layout,
  node1,
  node2,
  openFixture,
  report,
} from '../api/api-fixture.ts';
import { type FakeTerminal, makeFakeTerminal } from './fake-terminal.ts';

/** The commands against the API itself, over a store in memory: what a leader and a node do is played by the test. */

const key = 'hello.service/0' as InstanceKey;
const unitText = '[Service]\nExecStart=/bin/sleep infinity\n';

const runtime: FakeRuntime = {
  kind: 'systemd',
  resolveImage: () => Promise.resolve(undefined),
  logs: async function* () {
    const line: LogLine = { at: '2026-01-01T00:00:00Z', stream: 'stdout', text: 'hello from the unit' };
    yield await Promise.resolve([line]);
  },
};

async function openCluster(t: TestContext): Promise<{ fixture: Fixture; terminal: () => FakeTerminal }> {
  const fixture = await openFixture(t, [runtime]);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await addLeader(fixture, node2);
  return { fixture, terminal: () => makeFakeTerminal({ client: fixture.client, stdin: unitText }) };
}

/** Applies hello.service and plays the leader and the node until the command ends. */
async function applyHello({ fixture, terminal }: Awaited<ReturnType<typeof openCluster>>): Promise<FakeTerminal> {
  const shown = terminal();
  const code = shown.run('apply', '-', '--name', 'hello.service');
  await eventually('the instance to be shown pending', 5_000, () => shown.stdout().includes('hello.service: pending'));
  const spec = Number(/spec (\d+)/.exec(shown.stdout())?.[1]);
  const assignmentRevision = await assign(fixture, node1, key, { spec });
  await report(fixture, node1, key, { spec, assignmentRevision, phase: 'starting', healthy: false });
  await eventually('the start to be shown', 5_000, () => shown.stdout().includes('hello.service on node1: starting'));
  await report(fixture, node1, key, { spec, assignmentRevision, pid: 4242 });
  assert.equal(await code, 0, shown.stderr());
  return shown;
}

test('apply waits for the leader and the node, and every listing then shows the instance', async (t) => {
  const cluster = await openCluster(t);
  const applied = await applyHello(cluster);
  assert.match(applied.stdout(), /hello\.service on node1: running, healthy\ndone: hello\.service running/);
  const shows: [argv: string[], text: RegExp][] = [
    [['ls'], /^hello\.service +unit +run +1\/1/m],
    [['ps'], /^hello\.service +node1 +running +ok/m],
    [['ps', 'hello.service'], /^hello\.service +node1/m],
    [['node', 'ls'], /^node1 +11111111 +up +- [\s\S]*^node2 +22222222 +up +leader/m],
    [['inspect', 'hello.service'], /ExecStart=\/bin\/sleep infinity[\s\S]*hello\.service +node1/],
    [['inspect', 'node1'], /ID: +1{32}[\s\S]*hello\.service/],
    [['explain', 'hello.service'], /^hello\.service: run, 1 of 1 healthy, as desired/],
    [['logs', 'hello.service'], /^hello from the unit\n$/],
    [['wait', '--joined'], /^node1 has joined cluster test\n$/],
  ];
  for (const [argv, text] of shows) {
    const terminal = cluster.terminal();
    assert.equal(await terminal.run(...argv), 0, `${argv.join(' ')}: ${terminal.stderr()}`);
    assert.match(terminal.stdout(), text, argv.join(' '));
    assert.equal(terminal.stderr(), '');
  }
});

test('stop and rm wait until the last copy is gone', async (t) => {
  const cluster = await openCluster(t);
  await applyHello(cluster);
  const stopping = cluster.terminal();
  const stopped = stopping.run('stop', 'hello.service');
  await eventually('the copy that is left to be shown', 5_000, () => stopping.stdout().includes('on node1: running'));
  for (const gone of [layout.assignment(node1, key), layout.status(node1, key), layout.instance(key)]) {
    await cluster.fixture.remove(gone);
  }
  assert.equal(await stopped, 0, stopping.stderr());
  assert.match(stopping.stdout(), /hello\.service on node1: gone\n[\s\S]*done: hello\.service stopped/);
  const removing = cluster.terminal();
  const removed = removing.run('rm', 'hello.service');
  await eventually('the order to be accepted', 5_000, () => removing.stdout().includes('to be removed'));
  await cluster.fixture.remove(layout.workload('hello.service' as Parameters<typeof layout.workload>[0]));
  assert.equal(await removed, 0, removing.stderr());
});

test('a unit that fails is shown at once with its reason, and ends the wait with 1 when it stays', async (t) => {
  const { fixture, terminal } = await openCluster(t);
  const shown = terminal();
  const code = shown.run('apply', '-', '--name', 'hello.service', '--give-up', '5s');
  await eventually('the workload to be accepted', 5_000, () => shown.stdout().includes('created, spec'));
  const spec = Number(/spec (\d+)/.exec(shown.stdout())?.[1]);
  const assignmentRevision = await assign(fixture, node1, key, { spec });
  const lastError = 'the main process ended with exit code 3';
  await report(fixture, node1, key, { spec, assignmentRevision, phase: 'failed', healthy: false, lastError });
  await eventually('the failure to be shown', 5_000, () => shown.stdout().includes(`failed: ${lastError}`));
  await shown.clock.advance(5_001);
  assert.equal(await code, 1);
  assert.match(shown.stderr(), /hello\.service failed: the main process ended with exit code 3/);
});

test('listings are narrowed by label, node and phase', async (t) => {
  const cluster = await openCluster(t);
  await applyHello(cluster);
  const settings = { cordoned: false, draining: false, labels: { zone: 'a' } };
  await cluster.fixture.put(layout.nodeSettings(node1), nodeSettingsCodec.encode(settings));
  const names = async (...argv: string[]): Promise<string> => {
    const terminal = cluster.terminal();
    assert.equal(await terminal.run(...argv, '-q'), 0, terminal.stderr());
    return terminal.stdout();
  };
  assert.equal(await names('ps', '--node', 'node1', '--phase', 'running'), 'hello.service\n');
  assert.equal(await names('ps', '--node', 'node2'), '');
  assert.equal(await names('ps', '--phase', 'failed'), '');
  assert.equal(await names('ls', '--node', 'node1'), 'hello.service\n');
  assert.equal(await names('ls', '--phase', 'failed'), '');
  assert.equal(await names('node', 'ls', '--label', 'zone=a'), 'node1\n');
  assert.equal(await names('node', 'ls', '--phase', 'lost'), '');
  assert.equal(await names('node', 'ls', '--node', 'node2'), 'node2\n');
});
