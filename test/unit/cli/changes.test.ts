import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadName } from '../../../src/domain/ids.ts';
import type { DesiredAnswer } from '../../../src/wire/answers.ts';
import { FakeWatch, makeFakeTerminal, makeFrame, makeSummary, makeWorkloadRow, notFound } from './fake-terminal.ts';

const accept = (name: string): Promise<DesiredAnswer> =>
  Promise.resolve({ name: name as WorkloadName, spec: 1, desired: 'stop', removing: false, changed: true, revision: 1 });
const workloads = () => Promise.resolve({ workloads: [makeWorkloadRow()], problems: [] });

test('muster stop waits until each workload has stopped', async () => {
  const watch = new FakeWatch();
  const terminal = makeFakeTerminal({ client: { stop: accept, watchWorkloads: watch.watch } });
  watch.push(
    makeFrame({ desired: 'stop', summary: makeSummary({ converged: false }) }),
    makeFrame({
      desired: 'stop',
      all: [],
      removed: [makeFrame().rows[0]?.id ?? ''],
      summary: makeSummary({ wanted: 0 }),
    }),
  );
  assert.equal(await terminal.run('stop', 'web', 'web'), 0);
  assert.equal(
    terminal.stdout(),
    'web: to stop\nweb.0 on node1: running, healthy\nweb.0 on node1: gone\ndone: web stopped in 0.0 s\n',
  );
});

test('muster rm waits until the workload is gone, muster start until it runs', async () => {
  const watch = new FakeWatch();
  const terminal = makeFakeTerminal({ client: { remove: accept, start: accept, watchWorkloads: watch.watch } });
  watch.push(makeFrame({ removing: true }), makeFrame({ gone: true, all: [] }));
  assert.equal(await terminal.run('rm', 'web'), 0);
  watch.push(makeFrame({ desired: 'stop' }), makeFrame({ desired: 'run' }));
  assert.equal(await terminal.run('start', 'web'), 0);
});

test('muster stop suggests the near name, goes on with the others, and fails', async () => {
  const stop = (name: string) => (name === 'wbe' ? notFound() : accept(name));
  const terminal = makeFakeTerminal({ client: { stop, workloads } });
  assert.equal(await terminal.run('stop', 'webb', '--no-wait'), 0);
  assert.equal(await terminal.run('stop', 'wbe', 'web', '--no-wait'), 1);
  assert.match(terminal.stderr(), /^muster: Cannot find "wbe": expected a workload/);
  assert.match(terminal.stdout(), /web: to stop\n$/);
});

test('muster rm --json prints what was accepted', async () => {
  const terminal = makeFakeTerminal({ client: { remove: accept } });
  assert.equal(await terminal.run('rm', 'web', '--no-wait', '--json'), 0);
  const value = JSON.parse(terminal.stdout()) as { accepted: unknown[]; outcome: string };
  assert.equal(value.outcome, 'accepted');
  assert.equal(value.accepted.length, 1);
});
