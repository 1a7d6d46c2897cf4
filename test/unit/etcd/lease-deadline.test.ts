import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaseDeadline } from '../../../src/etcd/lease-deadline.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('LeaseDeadline holds for its span from when the renewal was sent, not answered', () => {
  const clock = new FakeClock({ monotonicMs: 0 });
  const deadline = new LeaseDeadline(clock, 6_000);
  assert.equal(deadline.holds, false);
  deadline.restart(0);
  clock.stall(2_500);
  const sentAtMs = clock.monotonicMs();
  clock.stall(1_900);
  assert.equal(deadline.renewed(sentAtMs), true);
  assert.equal(deadline.untilMs, 8_500);
  clock.stall(4_099);
  assert.equal(deadline.holds, true);
  clock.stall(1);
  assert.equal(deadline.holds, false);
});

test('LeaseDeadline is not revived by an answer that comes after it has passed', () => {
  const clock = new FakeClock({ monotonicMs: 0 });
  const deadline = new LeaseDeadline(clock, 6_000);
  deadline.restart(0);
  clock.stall(6_000);
  assert.equal(deadline.renewed(5_000), false);
  assert.equal(deadline.holds, false);
  deadline.restart(5_000);
  assert.equal(deadline.holds, true);
  assert.equal(deadline.untilMs, 11_000);
});

test('LeaseDeadline never goes back, and ends when told', () => {
  const clock = new FakeClock({ monotonicMs: 0 });
  const deadline = new LeaseDeadline(clock, 6_000);
  deadline.restart(1_000);
  deadline.renewed(500);
  assert.equal(deadline.untilMs, 7_000);
  deadline.end();
  assert.equal(deadline.holds, false);
});
