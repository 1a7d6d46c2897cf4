import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import { meterRuntimes } from '../../../src/metrics/metered-runtime.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';
import type { NodeRuntime } from '../../../src/runtime/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const key = 'web/0' as InstanceKey;
const { signal } = new AbortController();

function make(over: Partial<NodeRuntime>) {
  const clock = new FakeClock();
  const metrics = new Metrics();
  const nothing = async () => {};
  const runtime: NodeRuntime = {
    ...{ kind: 'docker', start: nothing, install: nothing, stop: nothing, remove: nothing, run: nothing },
    observe: async () => [],
    ...over,
  };
  const [metered = runtime] = meterRuntimes([runtime], metrics, clock);
  const counted = () =>
    (metrics.counters.get('muster_runtime_operations_total')?.samples ?? []).map(
      ({ labels, value }) => `${labels['runtime']} ${labels['operation']} ${labels['outcome']} ${value}`,
    );
  const isUp = async () => (await metrics.read()).get('muster_runtime_up')?.map(({ value }) => value);
  return { clock, metrics, metered, counted, isUp };
}

test('each operation is counted by its outcome, with the time that it took', async () => {
  const waits: (() => void)[] = [];
  const { clock, metrics, metered, counted } = make({
    stop: () => new Promise((resolve) => waits.push(resolve)),
    remove: async () => Promise.reject(new AgentError('INVALID_INPUT', 'no')),
  });
  const stopping = metered.stop(key, signal);
  await clock.advance(3_000);
  for (const wake of waits) wake();
  await stopping;
  await assert.rejects(metered.remove(key, signal), /no/);
  await assert.rejects(metered.remove(key, signal), /no/);
  assert.deepEqual(counted(), ['docker stop ok 1', 'docker remove invalid-input 2']);
  const [stop] = metrics.histograms.get('muster_runtime_operation_duration_seconds')?.distributions ?? [];
  assert.deepEqual([stop?.labels, stop?.sum], [{ runtime: 'docker', operation: 'stop' }, 3]);
});

test('what was told to end is no failure', async () => {
  const stop = new AbortController();
  const { metered, counted } = make({ start: async () => Promise.reject(stop.signal.reason) });
  stop.abort(new Error('the order has changed'));
  await assert.rejects(metered.start({} as never, () => {}, stop.signal));
  assert.deepEqual(counted(), ['docker start aborted 1']);
});

test('a runtime is up or not by its last look, and not judged by one that was cut short', async () => {
  let answer: () => Promise<readonly never[]> = async () => [];
  const { metered, isUp } = make({ observe: () => answer() });
  assert.equal(await isUp(), undefined);
  await metered.observe(signal);
  assert.deepEqual(await isUp(), [1]);
  answer = async () => Promise.reject(new AgentError('UNAVAILABLE', 'dockerd is away'));
  await assert.rejects(metered.observe(signal));
  assert.deepEqual(await isUp(), [0]);
  answer = async () => [];
  await metered.observe(signal);
  const stop = new AbortController();
  stop.abort();
  answer = async () => Promise.reject(stop.signal.reason);
  await assert.rejects(metered.observe(stop.signal));
  assert.deepEqual(await isUp(), [1]);
});
