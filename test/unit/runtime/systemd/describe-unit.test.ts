import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey } from '../../../../src/domain/ids.ts';
import type { ObservedInstance } from '../../../../src/domain/status.ts';
import { describeUnit, isStartSeen } from '../../../../src/runtime/systemd/describe-unit.ts';
import type { OwnershipRecord } from '../../../../src/runtime/systemd/unit-text.ts';

const record: OwnershipRecord = {
  cluster: 'one',
  key: 'a.service/0' as InstanceKey,
  specHash: 'h',
  assignmentRevision: 1,
  disconnect: 'keep',
};
const running = {
  LoadState: 'loaded',
  ActiveState: 'active',
  SubState: 'running',
  ActiveEnterTimestamp: 1_795_285_530_324_929n,
  ActiveEnterTimestampMonotonic: 1_000_000n,
  InactiveEnterTimestamp: 0n,
  Result: 'success',
  MainPID: 47,
  ExecMainCode: 0,
  ExecMainStatus: 0,
  NRestarts: 0,
  Restart: 'no',
};

function describe(over: Readonly<Record<string, unknown>>, of: Partial<OwnershipRecord> = {}): ObservedInstance {
  const properties = new Map(Object.entries({ ...running, ...over }));
  return describeUnit({ ...record, ...of }, properties, { everStarted: true, monotonicUs: 3_500_000 });
}

test('a running unit has its process, its start and how long it has been up', () => {
  assert.deepEqual(describe({}), {
    key: 'a.service/0',
    specHash: 'h',
    disconnect: 'keep',
    phase: 'running',
    everStarted: true,
    health: 'none',
    runningForMs: 2_500,
    startedAt: '2026-11-21T18:25:30.324Z',
    runtimeRestarts: 0,
    restartsItself: false,
    unit: { load: 'loaded', active: 'active', sub: 'running' },
    pid: 47,
  });
});

const phases: readonly (readonly [active: string, sub: string, load: string, phase: string])[] = [
  ['active', 'exited', 'loaded', 'running'],
  ['reloading', 'reload', 'loaded', 'running'],
  ['refreshing', 'refresh', 'loaded', 'running'],
  ['activating', 'start', 'loaded', 'starting'],
  ['activating', 'auto-restart', 'loaded', 'starting'],
  ['deactivating', 'stop-sigterm', 'loaded', 'stopping'],
  ['inactive', 'dead', 'loaded', 'stopped'],
  ['failed', 'failed', 'loaded', 'failed'],
  ['maintenance', 'dead', 'loaded', 'failed'],
  ['inactive', 'dead', 'not-found', 'failed'],
  ['inactive', 'dead', 'bad-setting', 'failed'],
  ['active', 'running', 'error', 'running'],
];
for (const [active, sub, load, phase] of phases) {
  test(`a unit that is ${load} ${active} (${sub}) is ${phase}`, () => {
    assert.equal(describe({ ActiveState: active, SubState: sub, LoadState: load }).phase, phase);
  });
}

const failures: readonly (readonly [over: object, exitCode: number | undefined, error: RegExp])[] = [
  [
    { Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 3 },
    3,
    /^exit-code: the main process exited with status 3$/,
  ],
  [{ Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 203 }, 203, /its program cannot be executed/],
  [{ Result: 'signal', ExecMainCode: 2, ExecMainStatus: 9 }, 137, /^signal: the main process was killed by signal 9$/],
  [{ Result: 'start-limit-hit' }, undefined, /^start-limit-hit$/],
  [{ LoadState: 'bad-setting' }, undefined, /cannot load the unit: bad-setting/],
];
for (const [over, exitCode, error] of failures) {
  test(`a failed unit says why: ${error}`, () => {
    const seen = describe({ ActiveState: 'failed', SubState: 'failed', InactiveEnterTimestamp: 5_000_000n, ...over });
    assert.match(seen.error ?? '', error);
    assert.equal(seen.exitCode, exitCode);
    assert.equal(seen.finishedAt, '1970-01-01T00:00:05.000Z');
    assert.equal(seen.runningForMs, 0);
  });
}

test('a unit between two restarts says why it ended', () => {
  const seen = describe({ ActiveState: 'activating', SubState: 'auto-restart', Result: 'exit-code', NRestarts: 2 });
  assert.deepEqual([seen.phase, seen.error, seen.runtimeRestarts], ['starting', 'exit-code', 2]);
});

test('a unit that ended well and is started again has no error', () => {
  const seen = describe({ ActiveState: 'activating', SubState: 'auto-restart', Result: 'success', NRestarts: 2 });
  assert.deepEqual([seen.phase, seen.error], ['starting', undefined]);
});

test('only a keep unit with a Restart= of its own restarts itself', () => {
  assert.equal(describe({ Restart: 'always' }).restartsItself, true);
  assert.equal(describe({ Restart: 'always' }, { disconnect: 'stop' }).restartsItself, false);
  assert.equal(describe({ Restart: undefined }).restartsItself, false);
});

test('a number that means none is none', () => {
  const seen = describe({ ActiveEnterTimestamp: 2n ** 64n - 1n, MainPID: 0 });
  assert.deepEqual([seen.startedAt, seen.pid], [undefined, undefined]);
});

test('a start is seen on what is up, not on what has ended or is unknown', () => {
  const seen = (active?: string) => isStartSeen(new Map(active === undefined ? [] : [['ActiveState', active]]));
  assert.deepEqual([seen('active'), seen('activating'), seen('reloading')], [true, true, true]);
  assert.deepEqual([seen('failed'), seen('inactive'), seen()], [false, false, false]);
});

test('an inactive unit with a job that waits is starting', () => {
  const waiting = { ActiveState: 'inactive', SubState: 'dead', Job: [7, '/org/freedesktop/systemd1/job/7'] };
  assert.equal(describe(waiting).phase, 'starting');
  assert.equal(describe({ ...waiting, Job: [0, '/'] }).phase, 'stopped');
});
