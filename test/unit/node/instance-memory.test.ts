import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { ObservedInstance } from '../../../src/domain/status.ts';
import { defaultRestartPolicy, NodeMemory } from '../../../src/node/instance-memory.ts';
import { makeStatus, type StatusInput } from '../../../src/node/make-status.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const key = 'web/0' as InstanceKey;
const seen = (phase: ObservedInstance['phase'], runningForMs = 0): ObservedInstance => ({
  key,
  specHash: 'v1',
  disconnect: 'keep',
  phase,
  health: 'none',
  everStarted: true,
  runningForMs,
  runtimeRestarts: 0,
  restartsItself: false,
});
const noJitter = () => 0;

function make() {
  const clock = new FakeClock();
  const memory = new NodeMemory(clock, defaultRestartPolicy, noJitter);
  const waitMs = () => Math.max(0, memory.of(key).retryAtMs - clock.monotonicMs());
  const restart = () => {
    memory.noteBegin({ kind: 'start', key, reason: 'ended' }, 'v1');
    memory.noteEnd(key, undefined);
  };
  return { clock, memory, waitMs, restart };
}

test('the first restart is at once, then after 10 s, doubling up to 5 min', () => {
  const { memory, waitMs, restart } = make();
  memory.noteObserved(seen('running'));
  const waits: number[] = [];
  for (let end = 0; end < 8; end += 1) {
    memory.noteObserved(seen('failed'));
    waits.push(waitMs());
    restart();
  }
  assert.deepEqual(waits, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
});

test('one end counts once, however often it is seen', () => {
  const { memory, waitMs, restart } = make();
  memory.noteObserved(seen('running'));
  for (let pass = 0; pass < 5; pass += 1) memory.noteObserved(seen('failed'));
  assert.equal(waitMs(), 0);
  restart();
  for (let pass = 0; pass < 5; pass += 1) memory.noteObserved(seen('failed'));
  assert.equal(waitMs(), 10_000);
});

test('an end that was ordered, or that the switch has brought, is no failure', () => {
  const { memory, waitMs, restart } = make();
  memory.noteObserved(seen('running'));
  memory.noteBegin({ kind: 'stop', key, reason: 'fenced' }, 'v1');
  memory.noteEnd(key, undefined);
  memory.noteObserved(seen('stopped'));
  restart();
  memory.noteObserved(seen('running'));
  memory.noteFenced(key);
  memory.noteObserved(seen('running'));
  memory.noteObserved(seen('stopped'));
  assert.deepEqual([waitMs(), memory.of(key).failures], [0, 0]);
  restart();
  memory.noteObserved(seen('failed'));
  assert.equal(memory.of(key).failures, 1, 'its next end is its own');
});

test('ten good minutes forgive earlier ends', () => {
  const { memory, waitMs, restart } = make();
  memory.noteObserved(seen('running'));
  for (let end = 0; end < 4; end += 1) {
    memory.noteObserved(seen('failed'));
    restart();
  }
  memory.noteObserved(seen('running', 600_000));
  memory.noteObserved(seen('failed'));
  assert.equal(waitMs(), 0);
});

test('a start that failed because a daemon is away is tried again soon', () => {
  const { memory, waitMs } = make();
  memory.noteBegin({ kind: 'start', key, reason: 'assigned-here' }, 'v1');
  memory.noteEnd(key, { error: new AgentError('UNAVAILABLE', 'Cannot reach dockerd'), wasAborted: false });
  assert.equal(waitMs(), 1_000);
  assert.match(memory.of(key).lastError ?? '', /Cannot reach dockerd/);
});

test("a daemon's absence is no crash: it's tried again within seconds, and delays no restart afterwards", () => {
  const { memory, waitMs, restart } = make();
  memory.noteObserved(seen('running'));
  memory.noteObserved(seen('failed'));
  for (let attempt = 0; attempt < 20; attempt += 1) {
    memory.noteBegin({ kind: 'start', key, reason: 'ended' }, 'v1');
    memory.noteEnd(key, { error: new AgentError('UNAVAILABLE', 'Cannot reach dockerd'), wasAborted: false });
    assert.ok(waitMs() <= 15_000);
  }
  assert.equal(waitMs(), 15_000);
  assert.equal(memory.of(key).failures, 1, 'the one crash');
  restart();
  memory.noteObserved(seen('running'));
  memory.noteObserved(seen('failed'));
  assert.equal(waitMs(), 10_000, 'as after a second crash');
});

test('a start on an order that is another by now is no failure, and is tried again soon', () => {
  const { memory, waitMs } = make();
  memory.noteBegin({ kind: 'start', key, reason: 'assigned-here' }, 'v1');
  memory.noteEnd(key, { error: new AgentError('STALE', 'Cannot start'), wasAborted: false });
  assert.equal(waitMs(), 1_000);
  assert.deepEqual([memory.of(key).failures, memory.of(key).lastError], [0, undefined]);
});

test('an aborted action is no failure, and keeps what was known', () => {
  const { memory, waitMs } = make();
  memory.noteBegin({ kind: 'start', key, reason: 'assigned-here' }, 'v1');
  memory.noteEnd(key, { error: new Error('the order has changed'), wasAborted: true });
  assert.equal(waitMs(), 0);
  assert.equal(memory.of(key).lastError, undefined);
});

test('an instance that is neither ordered nor seen is forgotten', () => {
  const { memory } = make();
  memory.noteObserved(seen('running'));
  memory.retain(() => false);
  assert.equal(memory.get(key), undefined);
});

const failuresOf = (memory: NodeMemory, observed: ObservedInstance): number | undefined =>
  makeStatus({ ...plainInput, observed, memory: memory.get(observed.key) }).failures;
const plainInput: StatusInput = {
  order: { revision: 1, spec: 1, order: 'run' },
  isOutdated: false,
  mustStop: false,
  observed: undefined,
  memory: undefined,
  previous: undefined,
  unreadable: undefined,
  specError: undefined,
  nowIso: '2026-01-01T00:00:00.000Z',
};

test('failures in a row are told until it has run well for 10 minutes', () => {
  const { memory, restart } = make();
  memory.noteObserved(seen('running'));
  for (let end = 1; end <= 3; end += 1) {
    memory.noteObserved(seen('failed'));
    assert.equal(failuresOf(memory, seen('failed')), end);
    restart();
  }
  memory.noteObserved(seen('running', 599_999));
  assert.equal(failuresOf(memory, seen('running')), 3);
  memory.noteObserved(seen('running', 600_000));
  assert.equal(failuresOf(memory, seen('running')), undefined);
});

test('an agent that starts anew goes on counting where the one before it was', () => {
  const { memory } = make();
  const previous = makeStatus({ ...plainInput, observed: seen('failed') });
  memory.inherit(key, { ...previous, failures: 4 });
  memory.noteObserved(seen('running'));
  memory.noteObserved(seen('failed'));
  assert.equal(failuresOf(memory, seen('failed')), 5);
});

const unitKey = 'job.service/0' as InstanceKey;
const unit = (over: Partial<ObservedInstance>): ObservedInstance => ({
  ...seen('running'),
  key: unitKey,
  restartsItself: true,
  ...over,
});
const between = { load: 'loaded', active: 'activating', sub: 'auto-restart' };

test('of a unit that systemd restarts its own restarts are the failures, from when it was started', () => {
  const { memory } = make();
  memory.noteBegin({ kind: 'start', key: unitKey, reason: 'assigned-here' }, 'v1');
  memory.noteEnd(unitKey, undefined);
  const crashed = unit({ phase: 'starting', unit: between, error: 'exit-code', runtimeRestarts: 4 });
  memory.noteObserved(crashed);
  assert.equal(failuresOf(memory, crashed), 4);
  const long = unit({ runningForMs: 600_000, runtimeRestarts: 5 });
  memory.noteObserved(long);
  assert.equal(failuresOf(memory, long), undefined);
  const again = unit({ phase: 'starting', unit: between, error: 'exit-code', runtimeRestarts: 6 });
  memory.noteObserved(again);
  assert.equal(failuresOf(memory, again), 1);
});

test('a unit that ends well and is started again has not failed, however often', () => {
  const { memory } = make();
  memory.noteBegin({ kind: 'start', key: unitKey, reason: 'assigned-here' }, 'v1');
  memory.noteEnd(unitKey, undefined);
  for (let runtimeRestarts = 0; runtimeRestarts < 9; runtimeRestarts += 1) {
    const ended = unit({ phase: 'starting', unit: between, runtimeRestarts });
    memory.noteObserved(ended);
    assert.equal(failuresOf(memory, ended), undefined);
  }
});

test('what restarts an agent found are no failures that it saw', () => {
  const { memory } = make();
  const old = unit({ runtimeRestarts: 300 });
  memory.noteObserved(old);
  assert.equal(failuresOf(memory, old), undefined);
});

test('a keep unit whose end is nobody’s to repair waits for nothing, and has no failures', () => {
  const { memory, clock } = make();
  for (let end = 0; end < 3; end += 1) {
    memory.noteObserved(unit({ restartsItself: false }));
    memory.noteObserved(unit({ phase: 'stopped', restartsItself: false }));
  }
  assert.equal(failuresOf(memory, unit({ phase: 'stopped', restartsItself: false })), undefined);
  assert.ok(memory.of(unitKey).retryAtMs <= clock.monotonicMs());
});

test('a unit that has used up its own restarts is told to have given up, one without any is not', () => {
  const { memory } = make();
  memory.noteBegin({ kind: 'start', key: unitKey, reason: 'assigned-here' }, 'v1');
  memory.noteEnd(unitKey, undefined);
  for (const [over, gaveUp] of [
    [{ phase: 'failed', runtimeRestarts: 5 }, true],
    [{ phase: 'starting', runtimeRestarts: 5 }, undefined],
    [{ phase: 'failed', runtimeRestarts: 0 }, undefined],
    [{ phase: 'failed', runtimeRestarts: 5, restartsItself: false }, undefined],
  ] as const) {
    memory.of(unitKey).forgivenRestarts = 0;
    const observed = unit(over);
    memory.noteObserved(observed);
    assert.equal(makeStatus({ ...plainInput, observed, memory: memory.get(unitKey) }).gaveUp, gaveUp);
  }
});

test('a unit that has used up its own restarts has given up, also where they were forgiven or an earlier agent saw them', () => {
  const { memory } = make();
  const autoRestart = { load: 'loaded', active: 'activating', sub: 'auto-restart' };
  memory.noteObserved(unit({ phase: 'starting', runtimeRestarts: 4, unit: autoRestart })); // its result not read yet
  const observed = unit({ phase: 'failed', runtimeRestarts: 5 });
  memory.noteObserved(observed);
  assert.equal(makeStatus({ ...plainInput, observed, memory: memory.get(unitKey) }).gaveUp, true);
  assert.equal(makeStatus({ ...plainInput, observed, memory: undefined }).gaveUp, true);
  const passing = unit({
    phase: 'failed',
    runtimeRestarts: 4,
    unit: { ...autoRestart, sub: 'failed-before-auto-restart' },
  });
  assert.equal(makeStatus({ ...plainInput, observed: passing, memory: undefined }).gaveUp, undefined);
});

test('a stop instance that was started is unseen until a look shows it, whatever came of its start', () => {
  const { memory } = make();
  memory.noteBegin({ kind: 'start', key, reason: 'assigned-here' }, 'v1', 'keep');
  assert.equal(memory.hasUnseenStarts, false);
  memory.noteBegin({ kind: 'start', key, reason: 'assigned-here' }, 'v1', 'stop');
  memory.noteEnd(key, { error: new Error('refused'), wasAborted: true });
  memory.retain(() => false);
  memory.noteLook(() => false);
  assert.equal(memory.hasUnseenStarts, true);
  memory.noteLook((shown) => shown === key);
  assert.equal(memory.hasUnseenStarts, false);
});
