import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { WorkloadDocument } from '../../../src/domain/document.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { Slot, WorkloadName } from '../../../src/domain/ids.ts';
import {
  FakeWatch,
  makeApplyAnswer,
  makeFakeTerminal,
  makeFrame,
  makeRow,
  makeSummary,
  node2,
} from './fake-terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'muster-apply-'));
after(() => rmSync(folder, { recursive: true }));
const unitText = '[Service]\nExecStart=/bin/true\n';
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const unit = file('hello.service', unitText);
const web = file('web.yaml', 'name: web\nreplicas: 2\ncontainer: {image: "nginx:1"}\n');

/** A client that accepts everything, with a watch that the test feeds. */
function makeClient(watch = new FakeWatch()) {
  const applied: WorkloadDocument[] = [];
  const apply = (document: WorkloadDocument) => {
    applied.push(document);
    return Promise.resolve(makeApplyAnswer({ name: document.name }));
  };
  return { applied, client: { apply, watchWorkloads: watch.watch }, watch };
}

const busy = makeSummary({ converged: false, healthy: 0, wanted: 2 });

test('muster apply sends what files say and tells one line for each change until all is healthy', async () => {
  const { applied, client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  const pulling = makeRow({ phase: 'pulling', healthy: false, progress: '1 of 40 MB' });
  const starting = makeRow({ slot: '1' as Slot, node: node2, phase: 'starting', healthy: false });
  const {
    node: _,
    role: __,
    ...waiting
  } = { ...pulling, id: 'web/0', phase: 'pending' as const, reason: 'waits for the leader' };
  watch.push(
    makeFrame({ summary: busy, all: [waiting] }),
    makeFrame({ summary: busy, all: [pulling, starting], removed: ['web/0'] }),
    makeFrame({ summary: busy, all: [{ ...pulling, progress: '2 of 40 MB' }, starting] }),
    makeFrame({ summary: busy, all: [{ ...pulling, phase: 'running', progress: '' }, starting] }),
    makeFrame({ all: [makeRow(), { ...starting, phase: 'running', healthy: true }] }),
  );
  assert.equal(await terminal.run('apply', web), 0);
  assert.deepEqual(
    applied.map(({ name, scale }) => ({ name, scale })),
    [{ name: 'web', scale: { kind: 'replicas', replicas: 2 } }],
  );
  assert.equal(
    terminal.stdout(),
    [
      'web: created, spec 1',
      'web.0: pending: waits for the leader',
      'web.0 on node1: pulling',
      'web.1 on node2: starting',
      'web.0 on node1: running',
      'web.0 on node1: running, healthy',
      'web.1 on node2: running, healthy',
      'done: web running in 0.0 s\n',
    ].join('\n'),
  );
  assert.equal(terminal.stderr(), '');
  assert.equal(terminal.clock.pendingTimers, 0);
});

test('muster apply sends a unit file byte for byte, from a directory, or from standard input by its name', async () => {
  const inner = join(folder, 'inner');
  mkdirSync(inner);
  writeFileSync(join(inner, 'a.service'), unitText);
  writeFileSync(join(inner, 'README.md'), 'not for us');
  for (const argv of [[unit], [inner], ['-', '--name', 'a.service']]) {
    const { applied, client } = makeClient();
    const terminal = makeFakeTerminal({ client, stdin: unitText });
    assert.equal(await terminal.run('apply', '--no-wait', ...argv), 0, terminal.stderr());
    assert.deepEqual(
      applied.map(({ run }) => run),
      [{ kind: 'unit', text: unitText }],
    );
  }
});

test('muster apply sends nothing at all when one file is bad', async () => {
  const bad = file('bad.yaml', 'name: bad\ncontainer: {image: "x", imagePullPolicy: Always}\n');
  for (const path of [bad, join(folder, 'missing.service'), '/']) {
    const { applied, client } = makeClient();
    const terminal = makeFakeTerminal({ client });
    assert.equal(await terminal.run('apply', unit, path), 1);
    assert.match(terminal.stderr(), /^muster: Cannot /);
    assert.deepEqual(applied, []);
  }
});

test('muster apply says what is refused, waits for the rest, and fails', async () => {
  const watch = new FakeWatch();
  const apply = ({ name }: WorkloadDocument) =>
    name === 'web'
      ? Promise.reject(new AgentError('CONFLICT', 'Cannot apply "web": no'))
      : Promise.resolve(makeApplyAnswer({ name }));
  const terminal = makeFakeTerminal({ client: { apply, watchWorkloads: watch.watch } });
  watch.push(makeFrame({ workload: 'hello.service' as WorkloadName }));
  assert.equal(await terminal.run('apply', web, unit), 1);
  assert.match(terminal.stderr(), /^muster: Cannot apply "web": no\n/);
  assert.match(terminal.stdout(), /done: hello\.service running/);
});

test('muster apply fails at once when the agent cannot be reached', async () => {
  const apply = () => Promise.reject(new AgentError('UNAVAILABLE', 'Cannot reach the agent'));
  const terminal = makeFakeTerminal({ client: { apply } });
  assert.equal(await terminal.run('apply', web, unit), 1);
  assert.equal(terminal.stderr().match(/Cannot reach/g)?.length, 1);
});

const stuck = makeFrame({
  summary: makeSummary({
    ...busy,
    blocked: true,
    problems: [{ instance: 'web.0', phase: 'failed', text: 'image "nginx:1" does not exist' }],
  }),
  all: [makeRow({ phase: 'failed', healthy: false, reason: 'image "nginx:1" does not exist' })],
});

test('muster apply shows a problem at once, and ends with 1 when it stays', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  watch.push(stuck);
  const code = terminal.run('apply', web);
  await terminal.clock.advanceUntil(
    () => terminal.stdout().includes('web.0 on node1: failed: image "nginx:1" does not exist'),
    0,
  );
  await terminal.clock.advance(29_000);
  assert.equal(terminal.stderr(), '');
  await terminal.clock.advance(1_001);
  assert.equal(await code, 1);
  assert.match(
    terminal.stderr(),
    /^muster: Cannot bring "web" .*\n {2}web\.0 failed: image "nginx:1" does not exist\n {2}the cluster goes on trying; muster explain web/,
  );
});

test('muster apply --give-up 0s ends as soon as nothing is under way', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  watch.push(stuck);
  assert.equal(await terminal.run('apply', web, '--give-up', '0s'), 1);
});

test('muster apply ends with 3 after its timeout while something is under way', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  watch.push(makeFrame({ summary: busy, all: [makeRow({ phase: 'starting', healthy: false })] }));
  const code = terminal.run('apply', web, '--timeout', '7s');
  await terminal.clock.advance(7_001);
  assert.equal(await code, 3);
  assert.match(terminal.stderr(), /^muster: Accepted, but "web" has not come to what was ordered within 7\.0 s/);
});

test('muster apply goes on watching when the agent was away for a moment', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  watch.push(makeFrame({ summary: busy }), new AgentError('UNAVAILABLE', 'the connection broke'), makeFrame());
  const code = terminal.run('apply', web);
  await terminal.clock.advance(1_000);
  assert.equal(await code, 0);
  assert.equal(watch.opened, 2);
});

test('muster apply --json prints one value: what was accepted and what came of it', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  watch.push(makeFrame({ summary: busy }), makeFrame());
  assert.equal(await terminal.run('apply', web, '--json'), 0);
  const value = JSON.parse(terminal.stdout()) as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ['apiVersion', 'accepted', 'outcome', 'tookMs', 'workloads']);
  assert.equal(value['outcome'], 'converged');
});

test('muster apply --no-wait ends once the change is accepted', async () => {
  const { client } = makeClient();
  const terminal = makeFakeTerminal({ client: { apply: client.apply } });
  assert.equal(await terminal.run('apply', web, '--no-wait'), 0);
  assert.equal(terminal.stdout(), 'web: created, spec 1\n');
});

test('muster apply redraws its progress in place on a terminal', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client, columns: 60, env: { NO_COLOR: '1' } });
  const code = terminal.run('apply', web);
  watch.push(
    makeFrame({
      summary: busy,
      all: [makeRow({ phase: 'pulling', healthy: false, progress: 'layer 2 of 5, 13 of 40 MB' })],
    }),
  );
  await terminal.clock.advance(200);
  assert.match(terminal.stdout(), /web\.0 +node1 +pulling +layer 2 of 5, 13 of 40 MB\n0 of 2 healthy\n$/);
  watch.push(makeFrame());
  assert.equal(await code, 0);
  assert.match(
    terminal.stdout().replaceAll('\u001b', '<esc>'),
    /<esc>\[3A\r<esc>\[JINSTANCE[^\n]*\nweb\.0 +node1 +running\n1 of 1 healthy\ndone: web running/,
  );
});

test('muster apply warns of what is odd although all is as desired', async () => {
  const { client, watch } = makeClient();
  const terminal = makeFakeTerminal({ client });
  const problems = [{ instance: 'any', phase: 'pending' as const, text: 'no node that is up matches its placement' }];
  watch.push(makeFrame({ all: [], summary: makeSummary({ wanted: 0, problems }) }));
  assert.equal(await terminal.run('apply', web), 0);
  assert.equal(terminal.stderr(), 'muster: warning: web: no node that is up matches its placement\n');
});

test('muster apply leaves the waiting when it is aborted', async () => {
  const { client } = makeClient();
  const terminal = makeFakeTerminal({ client });
  const code = terminal.run('apply', web);
  await terminal.clock.advance(100);
  const reason = new Error('Ctrl-C');
  terminal.abort(reason);
  await assert.rejects(code, reason);
  assert.equal(terminal.stderr(), 'muster: no longer waiting; what was accepted stays\n');
  assert.equal(terminal.clock.pendingTimers, 0);
});
