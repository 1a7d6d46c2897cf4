import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey, Slot, WorkloadName } from '../../../src/domain/ids.ts';
import type { DesiredAnswer } from '../../../src/wire/answers.ts';
import {
  FakeWatch,
  makeFakeTerminal,
  makeFrame,
  makeRow,
  makeSummary,
  makeWorkloadRow,
  notFound,
} from './fake-terminal.ts';

const accept = (name: string): Promise<DesiredAnswer> =>
  Promise.resolve({
    name: name as WorkloadName,
    spec: 1,
    desired: 'stop',
    removing: false,
    changed: true,
    revision: 1,
  });
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

test('a change with --json prints no object when nothing of it was accepted', async () => {
  const start = (name: string) => (name === 'nobody' ? notFound() : accept(name));
  const refused = () => Promise.reject(new AgentError('CONFLICT', 'Cannot apply it: it is being removed'));
  for (const [argv, stdin] of [
    [['start', 'nobody', '--json'], ''],
    [['start', 'nobody', '--json', '--no-wait'], ''],
    [['apply', '-', '--json'], 'name: web\ncontainer: {image: "nginx:1"}\n'],
  ] as const) {
    const terminal = makeFakeTerminal({ client: { start, workloads, apply: refused }, stdin });
    assert.equal(await terminal.run(...argv), 1);
    assert.equal(terminal.stdout(), '', argv.join(' '));
    assert.match(terminal.stderr(), /^muster: Cannot (find "nobody"|apply it)/);
  }
  const some = makeFakeTerminal({ client: { start, workloads } });
  assert.equal(await some.run('start', 'nobody', 'web', '--no-wait', '--json'), 1);
  assert.equal((JSON.parse(some.stdout()) as { accepted: unknown[] }).accepted.length, 1);
});

const scaled = (name: string, replicas: number) =>
  accept(name).then((answer) => ({ ...answer, desired: 'run' as const, replicas }));

test('muster scale takes names with numbers, and waits until each has so many', async () => {
  const watch = new FakeWatch();
  const asked: [string, number][] = [];
  const scale = (name: string, replicas: number) => {
    asked.push([name, replicas]);
    return scaled(name, replicas);
  };
  const terminal = makeFakeTerminal({ client: { scale, watchWorkloads: watch.watch } });
  watch.push(makeFrame({ summary: makeSummary({ converged: false, wanted: 3 }) }), makeFrame());
  assert.equal(await terminal.run('scale', 'web=3'), 0, terminal.stderr());
  assert.deepEqual(asked, [['web', 3]]);
  assert.match(terminal.stdout(), /^web: to have 3 instances\n/);
  for (const wrong of ['web', 'web=', 'web=-1', 'web=10001']) {
    assert.equal(await terminal.run('scale', wrong), 2, wrong);
  }
});

test('muster restart restarts a workload, or the instance that the name means', async () => {
  const asked: (string | undefined)[][] = [];
  const restart = (name: string, instance: string | undefined) => {
    asked.push([name, instance]);
    if (name !== 'web') return notFound();
    const of = instance === undefined ? {} : { instance: 'web/2' as InstanceKey };
    return accept(name).then((answer) => ({ ...answer, ...of }));
  };
  const row = makeRow({ slot: '2' as Slot });
  const instances = ({ name }: { readonly name?: string }) =>
    name === 'web.2' ? Promise.resolve({ rows: [row], problems: [] }) : notFound();
  const terminal = makeFakeTerminal({ client: { restart, instances, workloads } });
  assert.equal(await terminal.run('restart', 'web', 'web.2', '--no-wait'), 0, terminal.stderr());
  assert.deepEqual(asked, [
    ['web', undefined],
    ['web.2', undefined],
    ['web', '2'],
  ]);
  assert.equal(terminal.stdout(), 'web: to restart\nweb: to restart web/2\n');
  assert.equal(await terminal.run('restart', 'nothing', '--no-wait'), 1);
  assert.match(terminal.stderr(), /Cannot find "nothing": expected a workload or an instance/);
});

test('muster rollback says which spec is back, and under which number', async () => {
  const rollback = (name: string, to: number | undefined) =>
    to === 99
      ? Promise.reject(new AgentError('NOT_FOUND', 'Cannot roll back "web" to spec 99: expected an earlier spec'))
      : accept(name).then((answer) => ({ ...answer, spec: 9, to: to ?? 7 }));
  const terminal = makeFakeTerminal({ client: { rollback } });
  assert.equal(await terminal.run('rollback', 'web', '--no-wait'), 0, terminal.stderr());
  assert.equal(await terminal.run('rollback', 'web', '--to', '4', '--no-wait'), 0);
  assert.equal(terminal.stdout(), 'web: spec 7 is back as spec 9\nweb: spec 4 is back as spec 9\n');
  assert.equal(await terminal.run('rollback', 'web', '--to', 'x'), 2);
  assert.equal(await terminal.run('rollback', 'web', '--to', '99'), 1);
  assert.match(terminal.stderr(), /to spec 99: expected an earlier spec/);
});

test('muster stop --quiet prints the names that it was accepted for, and nothing of what is under way', async () => {
  const watch = new FakeWatch();
  const terminal = makeFakeTerminal({ client: { stop: accept, watchWorkloads: watch.watch }, columns: 80 });
  watch.push(
    makeFrame({ desired: 'stop', summary: makeSummary({ converged: false }) }),
    makeFrame({ desired: 'stop', all: [], summary: makeSummary({ wanted: 0 }) }),
  );
  assert.equal(await terminal.run('stop', 'web', '-q'), 0);
  assert.equal(terminal.stdout(), 'web\n');
});
