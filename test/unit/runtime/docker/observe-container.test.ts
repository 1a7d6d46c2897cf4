import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterId, InstanceKey } from '../../../../src/domain/ids.ts';
import { makeLabels, readLabels } from '../../../../src/runtime/docker/labels.ts';
import { type InspectedContainer, observeContainer } from '../../../../src/runtime/docker/observe-container.ts';
import { makeContainerSpec } from '../../../support/container-spec.ts';

const cluster = 'ours' as ClusterId;
const key = 'web/0' as InstanceKey;
const owner = { key, specHash: 'h', disconnect: 'keep', assignmentRevision: 3 } as const;
const never = '0001-01-01T00:00:00Z';
const startedAt = '2026-01-01T00:00:00.123456789Z';
const finishedAt = '2026-01-01T00:01:00Z';
const wallMs = Date.parse(startedAt) + 5_000;

type State = Partial<InspectedContainer['State']>;
const observe = (state: State, stopOrdered = false, more: Partial<InspectedContainer> = {}) => {
  const base = { Status: 'running', StartedAt: startedAt, FinishedAt: never };
  return observeContainer({ Id: 'id', State: { ...base, ...state }, ...more }, owner, { wallMs, stopOrdered });
};

const ended: State = { Status: 'exited', FinishedAt: finishedAt, Pid: 0 };
const unstarted: State = { Status: 'created', StartedAt: never };
const cases: [name: string, state: State, phase: string, error: RegExp | undefined, stopOrdered?: boolean][] = [
  ['a running one', { Pid: 42 }, 'running', undefined],
  ['a paused one', { Status: 'paused', Pid: 42 }, 'running', /paused/],
  ['one being restarted by someone', { Status: 'restarting' }, 'starting', undefined],
  ['one being removed', { Status: 'removing' }, 'stopping', undefined],
  ['one made and not started', unstarted, 'stopped', undefined],
  ['one whose start failed', { ...unstarted, ExitCode: 128, Error: 'no\n such  file' }, 'failed', /^no such file$/],
  ['one that ended well', { ...ended, ExitCode: 0 }, 'stopped', undefined],
  ['one asked to end', { ...ended, ExitCode: 143 }, 'stopped', undefined],
  ['one that failed', { ...ended, ExitCode: 3 }, 'failed', /^ended with exit code 3$/],
  ['one killed by hand', { ...ended, ExitCode: 137 }, 'failed', /^ended by signal 9$/],
  ['one that our stop killed', { ...ended, ExitCode: 137 }, 'stopped', undefined, true],
  ['one out of memory', { ...ended, ExitCode: 137, OOMKilled: true }, 'failed', /^out of memory/],
  ['a dead one', { ...ended, Status: 'dead', ExitCode: 0 }, 'failed', /exit code 0/],
];
for (const [name, state, phase, error, stopOrdered] of cases) {
  test(`observeContainer() shows ${name} as ${phase}`, () => {
    const instance = observe(state, stopOrdered);
    assert.equal(instance.phase, phase);
    if (error) assert.match(instance.error ?? '', error);
    else assert.equal(instance.error, undefined);
    const isAlive = phase === 'running' || phase === 'starting';
    assert.equal(instance.runningForMs > 0, isAlive);
  });
}

test('observeContainer() shows times, process, exit code and addresses', () => {
  const networks = { Networks: { a: { IPAddress: '10.0.0.2', GlobalIPv6Address: '' }, b: null } };
  const running = observe({ Pid: 42, ExitCode: 0 }, false, { NetworkSettings: networks, RestartCount: 0 });
  assert.deepEqual(running, {
    key,
    specHash: 'h',
    disconnect: 'keep',
    phase: 'running',
    health: 'none',
    everStarted: true,
    runningForMs: 5_000,
    runtimeRestarts: 0,
    restartsItself: false,
    container: { id: 'id', state: 'running' },
    startedAt,
    pid: 42,
    addresses: ['10.0.0.2'],
  });
  const over = observe({ ...ended, ExitCode: 3 });
  assert.deepEqual([over.finishedAt, over.exitCode, over.runningForMs, over.pid], [finishedAt, 3, 0, undefined]);
  assert.equal(observe(unstarted).everStarted, false);
  assert.equal(observe({ ...unstarted, Error: 'no' }).everStarted, true);
  assert.equal(observe({ StartedAt: new Date(wallMs + 60_000).toISOString() }).runningForMs, 0, 'a clock set back');
});

test('observeContainer() shows health with what the last failing check said', () => {
  const log = [
    { ExitCode: 1, Output: ' refused \n' },
    { ExitCode: 0, Output: 'fine' },
  ];
  assert.equal(observe({ Health: { Status: 'starting' } }).health, 'starting');
  assert.equal(observe({ Health: { Status: 'healthy' } }).error, undefined);
  const ill = observe({ Health: { Status: 'unhealthy', Log: log } });
  assert.deepEqual([ill.health, ill.error], ['unhealthy', 'its health check fails: refused']);
  assert.equal(observe({ Health: { Status: 'unhealthy', Log: null } }).error, 'its health check fails');
  assert.equal(observe({ Health: { Status: 'none' } }).health, 'none');
  assert.equal(observe({ Status: 'paused', Health: { Status: 'healthy' } }).health, 'unhealthy');
});

test('readLabels() reads what makeLabels() made, of its own cluster alone', () => {
  const run = makeContainerSpec('app');
  const order = { key, run, specHash: 'h', disconnect: 'stop', assignmentRevision: 9, environment: {} } as const;
  const labels = makeLabels(cluster, order);
  assert.deepEqual(readLabels(cluster, labels), { key, specHash: 'h', disconnect: 'stop', assignmentRevision: 9 });
  assert.equal(readLabels('other' as ClusterId, labels), undefined);
  assert.equal(readLabels(cluster, { ...labels, 'muster.managed': 'no' }), undefined);
  assert.equal(readLabels(cluster, { ...labels, 'muster.workload': '../x' }), undefined);
  assert.equal(readLabels(cluster, null), undefined);
});
