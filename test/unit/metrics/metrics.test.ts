import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Exposition } from '../../../src/metrics/expose.ts';
import { families } from '../../../src/metrics/families.ts';
import { Metrics, readingIf } from '../../../src/metrics/metrics.ts';
import { makeFullMetrics } from './full-metrics.ts';

const linesOf = async (metrics: Metrics, name: string) =>
  (await new Exposition(metrics).text()).split('\n').filter((line) => line.startsWith(name));

test('a counter adds up under each set of labels, and is there with 0', async () => {
  const metrics = new Metrics();
  metrics.count('muster_loop_passes_total', { loop: 'leader' }, 0);
  metrics.count('muster_loop_passes_total', { loop: 'node' });
  metrics.count('muster_loop_passes_total', { loop: 'node' }, 2);
  assert.deepEqual(await linesOf(metrics, 'muster_loop_passes_total'), [
    'muster_loop_passes_total{loop="leader"} 0',
    'muster_loop_passes_total{loop="node"} 3',
  ]);
});

test('a histogram counts each value in every bucket that it fits in, in seconds', async () => {
  const metrics = new Metrics();
  for (const ms of [0.5, 1, 40, 60_000]) metrics.time('muster_loop_pass_duration_seconds', { loop: 'node' }, ms);
  const lines = await linesOf(metrics, 'muster_loop_pass_duration_seconds');
  const of = (suffix: string) => lines.find((line) => line.startsWith(`muster_loop_pass_duration_seconds_${suffix}`));
  assert.match(of('bucket{le="0.001",loop="node"}') ?? '', / 2$/);
  assert.match(of('bucket{le="0.025",loop="node"}') ?? '', / 2$/);
  assert.match(of('bucket{le="0.05",loop="node"}') ?? '', / 3$/);
  assert.match(of('bucket{le="10",loop="node"}') ?? '', / 3$/);
  assert.match(of('bucket{le="+Inf",loop="node"}') ?? '', / 4$/);
  assert.match(of('count{loop="node"}') ?? '', / 4$/);
  assert.match(of('sum{loop="node"}') ?? '', / 60\.0415$/);
});

test('every metric is announced, also where it has no value; what is not known is left out', async () => {
  const metrics = new Metrics();
  metrics.addSource(() => readingIf('muster_lease_ttl_seconds', undefined));
  const text = await new Exposition(metrics).text();
  const announced = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
  assert.deepEqual(
    announced,
    Object.entries(families).map(([name, { type }]) => [name, type]),
  );
  assert.deepEqual(
    text.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
    [],
  );
});

test('a source that fails leaves its own values out, and no others', async () => {
  const metrics = new Metrics();
  metrics.addSource(async () => Promise.reject(new Error('no /proc')));
  metrics.addSource(() => readingIf('muster_leader', 1));
  assert.deepEqual(await linesOf(metrics, 'muster_leader '), ['muster_leader 1']);
});

test('labels are escaped', async () => {
  const metrics = new Metrics();
  metrics.count('muster_loop_passes_total', { loop: 'a "b"\n\\c' });
  assert.deepEqual(await linesOf(metrics, 'muster_loop_passes_total'), [
    String.raw`muster_loop_passes_total{loop="a \"b\"\n\\c"} 1`,
  ]);
});

test('all metrics can have a value at once', async () => {
  const text = await new Exposition(makeFullMetrics()).text();
  for (const name of Object.keys(families)) assert.match(text, new RegExp(`^${name}(_count)?[{ ]`, 'm'), name);
});
