import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultKinds, type PlannedFault, planRound } from '../../chaos/fault-plan.ts';

const lengthMs = 75_000;
const rounds = (seed: number, count: number, nodes = 3): PlannedFault[] =>
  Array.from({ length: count }, (_none, round) => planRound({ seed, round, nodes, lengthMs })).flat();

test('the same seed and round give the same faults; others give others', () => {
  const settings = { seed: 7, round: 1, nodes: 3, lengthMs };
  assert.deepEqual(planRound(settings), planRound(settings));
  assert.notDeepEqual(planRound(settings), planRound({ ...settings, round: 2 }));
  assert.notDeepEqual(planRound(settings), planRound({ ...settings, seed: 8 }));
});

test('an hour has every kind of fault, on every node', () => {
  for (const nodes of [3, 4, 5]) {
    const faults = rounds(1, 40, nodes);
    assert.deepEqual([...new Set(faults.map(({ kind }) => kind))].sort(), [...faultKinds].sort());
    assert.deepEqual(
      [...new Set(faults.map(({ node }) => node))].sort((a, b) => a - b),
      [...Array(nodes).keys()],
    );
  }
});

test('faults are in order, begin in their round and end with it, and no freeze lasts longer than a minute', () => {
  for (const fault of rounds(3, 40)) {
    assert.ok(fault.atMs > 0 && fault.atMs < lengthMs);
    assert.ok(fault.atMs + fault.forMs <= lengthMs);
    if (fault.kind === 'freeze') assert.ok(fault.forMs <= 60_000);
  }
  const times = planRound({ seed: 3, round: 0, nodes: 3, lengthMs }).map(({ atMs }) => atMs);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('a machine has one fault of its own at a time', () => {
  const own = new Set(['power-off', 'freeze', 'cut-off', 'cut-from-node', 'cut-to-node']);
  for (let round = 0; round < 40; round += 1) {
    const faults = planRound({ seed: 5, round, nodes: 3, lengthMs }).filter(({ kind }) => own.has(kind));
    for (const one of faults)
      for (const other of faults)
        if (one !== other && one.node === other.node)
          assert.ok(one.atMs + one.forMs <= other.atMs || other.atMs + other.forMs <= one.atMs);
  }
});

test('etcd has its majority most of the time, but not always', () => {
  const stops = new Set(['power-off', 'freeze', 'cut-off', 'cut-from-node', 'cut-to-node', 'etcd-freeze']);
  let lost = 0;
  for (let round = 0; round < 200; round += 1) {
    const faults = planRound({ seed: 9, round, nodes: 3, lengthMs }).filter(({ kind }) => stops.has(kind));
    if (faults.some((one) => faults.some((other) => other.node !== one.node && touches(one, other)))) lost += 1;
  }
  assert.ok(lost > 5 && lost < 100, `${lost} of 200 rounds`);
});

function touches(one: PlannedFault, other: PlannedFault): boolean {
  return one.atMs < other.atMs + other.forMs && other.atMs < one.atMs + one.forMs;
}
