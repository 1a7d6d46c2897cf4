import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { RuntimeKind } from '../../../src/domain/spec.ts';
import type { ObservedInstance } from '../../../src/domain/status.ts';
import {
  type DesiredInstance,
  type InstanceMemory,
  isAlive,
  isRestartedByAgent,
  type NodeAction,
  type NodeConditions,
  type NodeView,
  planNode,
} from '../../../src/plan/plan-node.ts';

const web = 'web/0' as InstanceKey;
const unit = 'hello.service/0' as InstanceKey;
const both: ReadonlySet<RuntimeKind> = new Set(['systemd', 'docker']);

const want = (over: Partial<DesiredInstance> = {}): DesiredInstance => ({
  key: web,
  order: 'run',
  disconnect: 'keep',
  specHash: 'v2',
  ...over,
});
const have = (over: Partial<ObservedInstance> = {}): ObservedInstance => ({
  key: web,
  specHash: 'v2',
  disconnect: 'keep',
  phase: 'running',
  health: 'none',
  everStarted: true,
  runningForMs: 5_000,
  runtimeRestarts: 0,
  restartsItself: false,
  ...over,
});
const calm: NodeConditions = {
  accepting: true,
  ordersKnown: true,
  maySafelyRun: true,
  mustStop: undefined,
  readable: both,
};
const byKey = <T extends { key: InstanceKey }>(rows: readonly T[]) => new Map(rows.map((row) => [row.key, row]));

function plan(
  desired: readonly DesiredInstance[],
  observed: readonly ObservedInstance[],
  conditions: Partial<NodeConditions> = {},
  memory: Partial<InstanceMemory> = {},
): string[] {
  const keys = [...desired, ...observed].map((row) => row.key);
  const remembered = new Map(keys.map((key) => [key, { busy: false, retryAtMs: 0, urgentRetryAtMs: 0, ...memory }]));
  const view: NodeView = {
    desired: byKey(desired),
    observed: byKey(observed),
    memory: remembered,
    conditions: { ...calm, ...conditions },
  };
  return planNode(view, 10).map((action) => `${action.kind}:${action.reason}`);
}

const cases: [name: string, got: string[], expected: string[]][] = [
  ['starts what is assigned and missing', plan([want()], []), ['start:assigned-here']],
  ['leaves a running match alone', plan([want()], [have()]), []],
  ['leaves what still starts alone', plan([want()], [have({ phase: 'starting' })]), []],
  ['does not stop what no assignment names', plan([], [have()]), []],
  ['removes what has ended and no assignment names', plan([], [have({ phase: 'stopped' })]), ['remove:no-assignment']],
  ['stops what is ordered to stop', plan([want({ order: 'stop' })], [have()]), ['stop:ordered']],
  [
    'keeps what has stopped as ordered until its order is gone',
    plan([want({ order: 'stop' })], [have({ phase: 'stopped' })]),
    [],
  ],
  ['does nothing for a stop order of what is not here', plan([want({ order: 'stop' })], []), []],
  ['waits for the spec', plan([want({ specHash: undefined })], []), []],
  ['stops what runs in another mode', plan([want({ disconnect: 'stop' })], [have()]), ['stop:spec-changed']],
  [
    'removes what ended in another mode',
    plan([want()], [have({ phase: 'stopped', disconnect: 'stop' })]),
    ['remove:spec-changed'],
  ],
  ['stops what runs another spec', plan([want()], [have({ specHash: 'v1' })]), ['stop:spec-changed']],
  ['stops what is of an earlier restart', plan([want({ specHash: 'v2.7' })], [have()]), ['stop:restart-ordered']],
  [
    'removes what ended before its ordered restart',
    plan([want({ specHash: 'v2.8' })], [have({ specHash: 'v2.7', phase: 'stopped' })]),
    ['remove:restart-ordered'],
  ],
  [
    'removes what ran another spec',
    plan([want()], [have({ specHash: 'v1', phase: 'stopped' })]),
    ['remove:spec-changed'],
  ],
  ['starts an ended container again', plan([want()], [have({ phase: 'failed' })]), ['start:ended']],
  [
    'waits out the retry delay of an ended container',
    plan([want()], [have({ phase: 'failed' })], {}, { retryAtMs: 11 }),
    [],
  ],
  [
    'starts it when the delay is over',
    plan([want()], [have({ phase: 'failed' })], {}, { retryAtMs: 10 }),
    ['start:ended'],
  ],
  ['leaves the end of a keep unit to systemd', plan([want({ key: unit })], [have({ key: unit, phase: 'failed' })]), []],
  [
    'starts a unit that was written and never started',
    plan([want({ key: unit })], [have({ key: unit, phase: 'stopped', everStarted: false })]),
    ['start:assigned-here'],
  ],
  ['installs what is to be loaded', plan([want({ key: unit, launch: false })], []), ['install:assigned-here']],
  [
    'stops what it has started and is to be loaded',
    plan([want({ key: unit, launch: false })], [have({ key: unit })]),
    ['stop:ordered'],
  ],
  [
    'notes that what is to be loaded and has ended was not started',
    plan([want({ key: unit, launch: false })], [have({ key: unit, phase: 'failed' })]),
    ['install:assigned-here'],
  ],
  [
    'leaves what others started of a loaded unit alone',
    plan([want({ key: unit, launch: false })], [have({ key: unit, everStarted: false })]),
    [],
  ],
  [
    'leaves what is loaded alone',
    plan([want({ key: unit, launch: false })], [have({ key: unit, phase: 'stopped', everStarted: false })]),
    [],
  ],
  [
    'takes over what others started of a unit that it is to start',
    plan([want({ key: unit })], [have({ key: unit, everStarted: false })]),
    ['start:assigned-here'],
  ],
  [
    'waits for the end of what it was told to stop, and is to start',
    plan([want({ key: unit })], [have({ key: unit, phase: 'stopping', everStarted: false })]),
    [],
  ],
  [
    'starts an ended stop unit again',
    plan([want({ key: unit, disconnect: 'stop' })], [have({ key: unit, phase: 'failed', disconnect: 'stop' })]),
    ['start:ended'],
  ],
  ['gives a busy instance nothing', plan([want({ order: 'stop' })], [have()], {}, { busy: true }), []],
  [
    'begins nothing in a runtime that does not answer',
    plan([want()], [], { readable: new Set<RuntimeKind>(['systemd']) }),
    [],
  ],
  ['begins nothing before presence is ours', plan([want()], [], { accepting: false }), []],
  ['removes nothing before presence is ours', plan([], [have({ phase: 'stopped' })], { accepting: false }), []],
  [
    'says that it starts what only the disk knows to be ordered',
    plan([want({ offlineStart: 'due' })], [], { ordersKnown: false }),
    ['start:offline-start'],
  ],
  [
    'starts what only the disk knows again as any other',
    plan([want({ offlineStart: 'begun' })], [have({ phase: 'failed' })], { ordersKnown: false }),
    ['start:ended'],
  ],
  [
    'changes nothing for what only the disk knows to be of another spec',
    plan([want({ offlineStart: 'due' })], [have({ specHash: 'newer' })], { ordersKnown: false }),
    [],
  ],
  [
    'removes nothing while not all orders are known',
    plan([], [have({ phase: 'stopped' })], { ordersKnown: false }),
    [],
  ],
  [
    'does not start a stop instance without a lease',
    plan([want({ disconnect: 'stop' })], [], { maySafelyRun: false }),
    [],
  ],
  ['starts a keep instance without a lease', plan([want()], [], { maySafelyRun: false }), ['start:assigned-here']],
  [
    'stops a stop instance at the fence',
    plan([want({ disconnect: 'stop' })], [have({ disconnect: 'stop' })], { mustStop: 'fenced' }),
    ['stop:fenced'],
  ],
  [
    'stops a stop instance at the fence whatever its retry delay',
    plan([want({ disconnect: 'stop' })], [have({ disconnect: 'stop' })], { mustStop: 'fenced' }, { retryAtMs: 99 }),
    ['stop:fenced'],
  ],
  [
    'asks what would not end at the fence again only after a moment',
    plan(
      [want({ disconnect: 'stop' })],
      [have({ disconnect: 'stop' })],
      { mustStop: 'fenced' },
      { urgentRetryAtMs: 11 },
    ),
    [],
  ],
  ['keeps a keep instance at the fence', plan([want()], [have()], { mustStop: 'fenced' }), []],
  [
    'stops an orphan that asked for it at the fence',
    plan([], [have({ disconnect: 'stop' })], { mustStop: 'fenced' }),
    ['stop:fenced'],
  ],
  [
    'stops only stop instances when the machine goes down',
    plan([want()], [have()], { mustStop: 'leaving', accepting: false }),
    [],
  ],
];
for (const [name, got, expected] of cases) {
  test(`planNode() ${name}`, () => {
    assert.deepEqual(got, expected);
  });
}

const keys = [web, 'web/1' as InstanceKey, unit, 'job@1.service/0' as InstanceKey];
const anyKey = fc.constantFrom(...keys);
const anyHash = fc.constantFrom('v1', 'v2');
const anyDisconnect = fc.constantFrom('keep' as const, 'stop' as const);
const anyDesired = fc.record({
  key: anyKey,
  order: fc.constantFrom('run' as const, 'stop' as const),
  disconnect: anyDisconnect,
  specHash: anyHash,
});
const anyObserved = fc
  .record({
    key: anyKey,
    specHash: anyHash,
    disconnect: anyDisconnect,
    everStarted: fc.boolean(),
    phase: fc.constantFrom('starting', 'running', 'stopping', 'stopped', 'failed'),
  })
  .map((over) => have(over as Partial<ObservedInstance>));
const anyRows = <T extends { key: InstanceKey }>(row: fc.Arbitrary<T>) =>
  fc.uniqueArray(row, { selector: (one) => one.key });

/** What the runtimes would show after an action has ended well. */
function applyTo(
  world: Map<InstanceKey, ObservedInstance>,
  action: NodeAction,
  desired: ReadonlyMap<InstanceKey, DesiredInstance>,
): void {
  const before = world.get(action.key);
  const wanted = desired.get(action.key);
  if (action.kind === 'remove') world.delete(action.key);
  else if (action.kind === 'stop' && before !== undefined)
    world.set(action.key, { ...before, phase: 'stopped', everStarted: true });
  else if (wanted !== undefined)
    world.set(
      action.key,
      have({ key: action.key, specHash: wanted.specHash ?? '', disconnect: wanted.disconnect, phase: 'running' }),
    );
}

test('planNode() converges to what is ordered and then begins nothing more', () => {
  fc.assert(
    fc.property(anyRows(anyDesired), anyRows(anyObserved), (desiredRows, observedRows) => {
      const desired = byKey(desiredRows);
      const world = byKey(observedRows);
      const planned = () => planNode({ desired, observed: world, memory: new Map(), conditions: calm }, 0);
      for (let round = 0; round < 5; round += 1) for (const action of planned()) applyTo(world, action, desired);
      assert.deepEqual(planned(), []);
      for (const row of desired.values()) {
        const seen = world.get(row.key);
        if (row.order === 'stop') assert.equal(isAlive(seen), false);
        else if (isRestartedByAgent(row.key, row.disconnect))
          assert.equal(isAlive(seen) && seen?.specHash === row.specHash, true);
      }
    }),
  );
});

test('planNode() gives each instance at most one action, in key order, whatever the order of its input', () => {
  fc.assert(
    fc.property(anyRows(anyDesired), anyRows(anyObserved), (desiredRows, observedRows) => {
      const one = planNode(
        { desired: byKey(desiredRows), observed: byKey(observedRows), memory: new Map(), conditions: calm },
        0,
      );
      const other = planNode(
        {
          desired: byKey(desiredRows.toReversed()),
          observed: byKey(observedRows.toReversed()),
          memory: new Map(),
          conditions: calm,
        },
        0,
      );
      assert.deepEqual(one, other);
      const named = one.map((action) => action.key);
      assert.deepEqual(named, [...new Set(named)].sort());
    }),
  );
});

test('planNode() never names what is neither ordered nor owned, and never stops what has no order to', () => {
  fc.assert(
    fc.property(anyRows(anyDesired), anyRows(anyObserved), (desiredRows, observedRows) => {
      const desired = byKey(desiredRows);
      const observed = byKey(observedRows);
      for (const action of planNode({ desired, observed, memory: new Map(), conditions: calm }, 0)) {
        assert.ok(desired.has(action.key) || observed.has(action.key));
        if (action.kind === 'stop') assert.ok(desired.has(action.key));
      }
    }),
  );
});
