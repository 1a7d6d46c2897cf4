import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { ObservedInstance, Phase } from '../../../src/domain/status.ts';
import { makeStatus, type StatusInput } from '../../../src/node/make-status.ts';

const seen = (over: Partial<ObservedInstance> = {}): ObservedInstance => ({
  key: 'web/0' as InstanceKey,
  specHash: 'v1',
  disconnect: 'keep',
  phase: 'running',
  health: 'none',
  everStarted: true,
  runningForMs: 10_000,
  runtimeRestarts: 0,
  restartsItself: false,
  ...over,
});
const statusOf = (over: Partial<StatusInput> = {}) =>
  makeStatus({
    order: { revision: 7, spec: 1, order: 'run' },
    isOutdated: false,
    mustStop: false,
    observed: seen(),
    memory: undefined,
    previous: undefined,
    unreadable: undefined,
    specError: undefined,
    nowIso: '2026-01-01T00:00:00.000Z',
    ...over,
  });
const stop = { revision: 7, spec: 1, order: 'stop' } as const;

const load = { revision: 7, spec: 1, order: 'run', launch: false } as const;
const idle = { phase: 'stopped', everStarted: false } as const;

test('what is installed and not started is loaded, also while others run it', () => {
  assert.deepEqual(
    [
      statusOf({ order: load, observed: seen(idle) }),
      statusOf({ order: load, observed: seen({ everStarted: false }) }),
      statusOf({ order: load, observed: seen() }),
      statusOf({ order: load, observed: undefined }),
      statusOf({ order: load, observed: seen(idle), isOutdated: true }),
      statusOf({ observed: seen(idle) }),
    ].map(({ phase, loaded }) => `${phase} ${loaded}`),
    [
      'stopped true',
      'running true',
      'stopping undefined',
      'pending undefined',
      'starting undefined',
      'starting undefined',
    ],
  );
});

const phases: [name: string, input: Partial<StatusInput>, phase: Phase][] = [
  ['what runs as ordered is running', {}, 'running'],
  ['what has not begun is pending', { observed: undefined }, 'pending'],
  [
    'what was made and not started is starting',
    { observed: seen({ phase: 'stopped', everStarted: false }) },
    'starting',
  ],
  [
    'a container that ended though it should run has failed',
    { observed: seen({ phase: 'stopped', exitCode: 0 }) },
    'failed',
  ],
  [
    'a unit that ended well has stopped',
    { observed: seen({ key: 'job.service/0' as InstanceKey, phase: 'stopped', exitCode: 0 }) },
    'stopped',
  ],
  ['what runs another spec is stopping', { isOutdated: true }, 'stopping'],
  ['what ran another spec is starting', { isOutdated: true, observed: seen({ phase: 'stopped' }) }, 'starting'],
  ['what has no order and runs is an orphan', { order: undefined }, 'orphan'],
  ['what was ordered to stop and is not there has stopped', { order: stop, observed: undefined }, 'stopped'],
  [
    'what was ordered to stop and failed is dead: it has stopped',
    { order: stop, observed: seen({ phase: 'failed' }) },
    'stopped',
  ],
  ['what was ordered to stop and runs is still running', { order: stop }, 'running'],
  [
    'nothing has stopped while the runtime is away',
    { order: stop, observed: undefined, unreadable: 'away' },
    'pending',
  ],
  [
    'what was last seen running counts as running while the runtime is away',
    { order: stop, unreadable: 'away' },
    'running',
  ],
  [
    'what must end at the fence has stopped once it is dead',
    { mustStop: true, observed: seen({ phase: 'failed' }) },
    'stopped',
  ],
];
for (const [name, input, phase] of phases) {
  test(`makeStatus(): ${name}`, () => {
    assert.equal(statusOf(input).phase, phase);
  });
}

test('a status stays as it was while the runtime is away, with the reason', () => {
  const previous = statusOf();
  const status = statusOf({ observed: undefined, previous, unreadable: 'Cannot reach docker' });
  assert.deepEqual(status, { ...previous, lastError: 'Cannot reach docker' });
});

test('a status names the order of now while the runtime is away, and claims nothing for it', () => {
  const earlier = { revision: 3, spec: 1, order: 'run' } as const;
  const ran = statusOf({ order: earlier });
  const status = statusOf({ order: stop, previous: ran, unreadable: 'Cannot reach docker' });
  assert.deepEqual(status, { ...ran, assignmentRevision: 7, healthy: false, lastError: 'Cannot reach docker' });
  const ended = { ...ran, phase: 'stopped' } as const;
  assert.equal(statusOf({ order: stop, previous: ended, unreadable: 'away' }).phase, 'pending', 'it is no receipt');
  assert.equal(statusOf({ order: undefined, previous: ran, unreadable: 'away' }).phase, 'orphan');
});

test('what is gone and whose spec cannot be had is not said to run', () => {
  const previous = statusOf();
  const status = statusOf({ observed: undefined, previous, specError: 'Cannot find spec' });
  assert.deepEqual([status.phase, status.lastError], ['pending', 'Cannot find spec']);
});

test('a status is healthy by its check, or after 3 s without one', () => {
  assert.equal(statusOf().healthy, true);
  assert.equal(statusOf({ observed: seen({ runningForMs: 2_999 }) }).healthy, false);
  assert.equal(statusOf({ observed: seen({ health: 'starting' }) }).healthy, false);
  assert.equal(statusOf({ observed: seen({ health: 'healthy', runningForMs: 1 }) }).healthy, true);
});

test('a status says since when its phase has lasted', () => {
  const previous = { ...statusOf(), since: '2025-01-01T00:00:00.000Z' };
  assert.equal(statusOf({ previous }).since, previous.since);
  assert.notEqual(statusOf({ previous, order: undefined }).since, previous.since);
});
