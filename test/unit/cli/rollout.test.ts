import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Goal, Rollout } from '../../../src/cli/rollout.ts';
import type { WorkloadName } from '../../../src/domain/ids.ts';
import type { WatchedWorkload } from '../../../src/wire/client.ts';
import { makeFrame, makeRow, makeSummary } from './fake-terminal.ts';

const run: Goal = { name: 'web', state: 'run', spec: 2 };
const patience = { timeoutMs: 100_000, giveUpMs: 30_000 };
const converged = makeSummary();
const busy = makeSummary({ converged: false, healthy: 0, running: 0 });
const blocked = makeSummary({ ...busy, blocked: true });
const begin = (...goals: readonly Goal[]) => new Rollout(goals, patience, 0);
const frame = (over: Partial<WatchedWorkload> = {}) => makeFrame({ spec: 2, ...over });
const none = { all: [] } as const;

const first: [name: string, goal: Goal, seen: WatchedWorkload | undefined, outcome: string | undefined][] = [
  ['waits while nothing was seen', run, undefined, undefined],
  ['has converged with the spec that was accepted', run, frame({ summary: converged }), 'converged'],
  ['has converged with a newer spec', run, frame({ spec: 3, summary: converged }), 'converged'],
  ['does not take an older spec for its own', run, frame({ spec: 1, summary: converged }), undefined],
  ['does not take a view before the apply for an end', run, frame({ gone: true, summary: converged }), undefined],
  [
    'does not take a workload that is still stopped for running',
    run,
    frame({ desired: 'stop', summary: converged }),
    undefined,
  ],
  ['waits while something is under way', run, frame({ summary: busy }), undefined],
  ['has stopped', { name: 'web', state: 'stop' }, frame({ desired: 'stop', summary: converged, ...none }), 'converged'],
  [
    'waits for the end of what is stopping',
    { name: 'web', state: 'stop' },
    frame({ desired: 'stop', summary: busy }),
    undefined,
  ],
  ['is gone', { name: 'web', state: 'gone' }, frame({ gone: true, summary: converged, ...none }), 'converged'],
  [
    'waits while it is being removed',
    { name: 'web', state: 'gone' },
    frame({ removing: true, summary: converged }),
    undefined,
  ],
];
for (const [name, goal, seen, outcome] of first) {
  test(`Rollout ${name}`, () => {
    const rollout = begin(goal);
    if (seen !== undefined) rollout.see(seen, 0);
    assert.equal(rollout.outcome(1), outcome);
    assert.equal(rollout.outcome(100_000), outcome ?? 'timeout');
  });
}

test('Rollout gives up when nothing got better for the whole patience, not before', () => {
  const rollout = begin(run);
  rollout.see(frame({ summary: blocked, ...none }), 5_000);
  assert.equal(rollout.outcome(34_999), undefined);
  assert.equal(rollout.nextMs(5_000), 35_000);
  assert.equal(rollout.outcome(35_000), 'stuck');
});

test('Rollout counts its patience through retries that fail again', () => {
  const rollout = begin(run);
  rollout.see(frame({ summary: blocked, ...none }), 0);
  rollout.see(frame({ summary: busy, ...none }), 10_000);
  rollout.see(frame({ summary: blocked, ...none }), 11_000);
  rollout.see(frame({ summary: busy, ...none }), 30_000);
  assert.equal(rollout.outcome(31_000), undefined, 'a retry is under way');
  rollout.see(frame({ summary: blocked, ...none }), 31_500);
  assert.equal(rollout.outcome(31_500), 'stuck');
});

test('Rollout begins its patience anew when an instance became healthy', () => {
  const rollout = begin(run);
  rollout.see(frame({ summary: blocked, ...none }), 0);
  rollout.see(frame({ summary: blocked, all: [makeRow()] }), 20_000);
  assert.equal(rollout.outcome(40_000), undefined);
  assert.equal(rollout.outcome(50_000), 'stuck');
});

test('Rollout waits for one that is under way although another is stuck', () => {
  const rollout = begin(run, { name: 'db', state: 'run' });
  rollout.see(frame({ summary: blocked, ...none }), 0);
  rollout.see(frame({ workload: 'db' as WorkloadName, summary: busy }), 0);
  assert.equal(rollout.outcome(60_000), undefined);
  rollout.see(frame({ workload: 'db' as WorkloadName, summary: converged }), 60_000);
  assert.equal(rollout.outcome(60_000), 'stuck');
  assert.deepEqual(
    rollout.open.map(({ goal }) => goal.name),
    ['web'],
  );
});

test('Rollout ends when somebody else orders something else', () => {
  for (const over of [{ gone: true }, { desired: 'stop' }, { removing: true }] as const) {
    const rollout = begin(run);
    rollout.see(frame({ summary: busy }), 0);
    rollout.see(frame({ summary: busy, ...over }), 1);
    assert.equal(rollout.outcome(1), 'overtaken');
  }
});
