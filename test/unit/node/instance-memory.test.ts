import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { ObservedInstance } from '../../../src/domain/status.ts';
import { defaultRestartPolicy, NodeMemory } from '../../../src/node/instance-memory.ts';
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
