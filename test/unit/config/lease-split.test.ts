import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaseSplit } from '../../../src/config/check-lease-split.ts';
import { settings } from '../../../src/config/settings.ts';
import { defaultLeaseSplit } from '../../../src/etcd/session.ts';

const defaults = {
  leaseRenewPart: settings.leaseRenewPart.fallback,
  leaseAttemptPart: settings.leaseAttemptPart.fallback,
  leaseFencePart: settings.leaseFencePart.fallback,
  leaseKillPart: settings.leaseKillPart.fallback,
};

test('the default split of the TTL is the one that sessions have by themselves', () => {
  const { leaseRenewPart, leaseAttemptPart, leaseFencePart, leaseKillPart } = defaults;
  const asSession = {
    renewPart: leaseRenewPart,
    attemptPart: leaseAttemptPart,
    fencePart: leaseFencePart,
    killPart: leaseKillPart,
  };
  assert.deepEqual(asSession, defaultLeaseSplit);
});

const cases: [name: string, over: Partial<typeof defaults>, expected: RegExp | undefined][] = [
  ['takes the defaults', {}, undefined],
  ['takes gaps of just 10%', { leaseFencePart: 0.55, leaseKillPart: 0.65 }, undefined],
  [
    'refuses an attempt that outlasts the renewal',
    { leaseAttemptPart: 0.3 },
    /lease.attempt to be at most lease.renew/,
  ],
  [
    'refuses a fence that leaves no time for a second renewal',
    { leaseFencePart: 0.5 },
    /lease.fence 50%.*expected lease.fence to be at least lease.renew \+ lease.attempt \+ 10%/,
  ],
  ['refuses a kill right after the fence', { leaseKillPart: 0.65 }, /lease.kill to be at least lease.fence \+ 10%/],
  ['refuses a split without a margin', { leaseKillPart: 0.95 }, /lease.kill to be at most 90%/],
];
for (const [name, over, expected] of cases) {
  test(`checkLeaseSplit() ${name}`, () => {
    const check = () => checkLeaseSplit({ ...defaults, ...over }, 'muster.yaml');
    if (expected === undefined) check();
    else assert.throws(check, expected);
  });
}
