import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRuntime } from '../../../src/api/api-deps.ts';
import { parseMachine } from '../../../src/api/stats-node.ts';
import { nodeSettingsCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { ListingFilter } from '../../../src/wire/listing-filter.ts';
import {
  assign,
  container,
  type Fixture,
  layout,
  makeDocument,
  node1,
  node2,
  report,
} from '../../unit/api/api-fixture.ts';
import { openTwoNodes } from '../../unit/api/two-nodes.ts';

const web0 = 'web/0' as InstanceKey;
const web1 = 'web/1' as InstanceKey;

const runtimeOf = (key: InstanceKey, usage?: ApiRuntime['usage']) => ({
  runtimes: [
    {
      kind: 'docker' as const,
      logs: () => {
        throw new Error('not used');
      },
      resolveImage: async () => undefined,
      usage: usage ?? (async () => [{ key, cpuNs: 2_500_000_000n, memoryBytes: 1_000 }]),
    },
  ],
});

test('the figures of all nodes come through one, and a node that is away is named', async (t) => {
  const { nodes, store, setReachable } = await openTwoNodes(t, [runtimeOf(web0), runtimeOf(web1)]);
  await nodes[0].client.apply(makeDocument('web', { scale: { kind: 'replicas', replicas: 2 } }), t.signal);
  for (const [node, key] of [
    [node1, web0],
    [node2, web1],
  ] as const) {
    await assign(store as Fixture, node, key);
    await report(store as Fixture, node, key, { restarts: 3 });
  }
  const stats = await nodes[0].client.stats({}, t.signal);
  assert.deepEqual(
    stats.nodes.map((node) => ('problem' in node ? node.problem : [node.node.hostname, node.instances])),
    [
      ['node1', [{ key: web0, cpuMs: 2_500, memoryBytes: 1_000 }]],
      ['node2', [{ key: web1, cpuMs: 2_500, memoryBytes: 1_000 }]],
    ],
  );
  const [first] = stats.nodes;
  assert.ok(first !== undefined && !('problem' in first));
  assert.ok(first.cpus > 0 && first.cpuMs > 0 && first.memoryTotalBytes > first.memoryBytes && first.memoryBytes > 0);
  assert.deepEqual(
    stats.rows.map(({ display, restarts }) => [display, restarts]),
    [
      ['web.0', 3],
      ['web.1', 3],
    ],
  );
  setReachable(node2, false);
  const [, silent] = (await nodes[0].client.stats({}, t.signal)).nodes;
  assert.match(silent !== undefined && 'problem' in silent ? silent.problem : '', /Cannot reach node 2222/);
});

test('a node that takes too long and a runtime that fails hold nobody up', async (t) => {
  const hanging = runtimeOf(
    web1,
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  const failing = runtimeOf(web0, () => Promise.reject(new Error('dockerd is away')));
  const { nodes } = await openTwoNodes(t, [failing, hanging]);
  const stats = await nodes[0].client.stats({}, t.signal);
  const [first, second] = stats.nodes;
  assert.deepEqual(first !== undefined && !('problem' in first) ? first.problems : undefined, ['dockerd is away']);
  assert.match(second !== undefined && 'problem' in second ? second.problem : '', /within 3000 ms/);
});

test('parseMachine() reads what the kernel shows, and nothing as nothing', () => {
  const stat = 'cpu  100 10 50 1000 5 3 2 1 0 0\ncpu0 50 5 25 500 2 1 1 0 0 0\ncpu1 50 5 25 500 3 2 1 1 0 0\nintr 1\n';
  const meminfo = 'MemTotal:        2000 kB\nMemFree:          100 kB\nMemAvailable:     500 kB\n';
  assert.deepEqual(parseMachine(stat, meminfo, '0.52 0.40 0.30 1/200 999\n'), {
    cpus: 2,
    cpuMs: 1_660,
    memoryBytes: 1_500 * 1_024,
    memoryTotalBytes: 2_000 * 1_024,
    load: 0.52,
  });
  const nothing = { cpus: 0, cpuMs: 0, memoryBytes: 0, memoryTotalBytes: 0, load: 0 };
  assert.deepEqual(parseMachine('', '', ''), nothing);
});

test('figures are narrowed as instances are; a node is there for itself or for one of them, and no other is asked', async (t) => {
  let asked = 0;
  const counting = runtimeOf(web1, async () => {
    asked += 1;
    return [
      { key: web1, cpuNs: 1n, memoryBytes: 1 },
      { key: 'other/0' as InstanceKey, cpuNs: 1n, memoryBytes: 1 },
    ];
  });
  const { nodes, store } = await openTwoNodes(t, [runtimeOf(web0), counting]);
  const { client } = nodes[0];
  const shop = { ...container, labels: { team: 'shop' } };
  await client.apply(makeDocument('web', { run: shop, scale: { kind: 'replicas', replicas: 2 } }), t.signal);
  const settings = { cordoned: false, draining: false, labels: { zone: 'b' } };
  await store.put(layout.nodeSettings(node2), nodeSettingsCodec.encode(settings));
  for (const [node, key] of [
    [node1, web0],
    [node2, web1],
  ] as const)
    await report(store as Fixture, node, key, { assignmentRevision: await assign(store as Fixture, node, key) });
  const seen = async (filter: ListingFilter) => {
    const { nodes: answers, rows } = await client.stats(filter, t.signal);
    return [answers.map(({ node }) => node.hostname), rows.map(({ display }) => display)];
  };
  assert.deepEqual(await seen({ node: 'node1' }), [['node1'], ['web.0']]);
  assert.equal(asked, 0, 'node2 was asked for nothing');
  assert.deepEqual(await seen({ label: ['zone=b'] }), [['node2'], ['web.1']]);
  assert.deepEqual(await seen({ label: ['team=shop'] }), [
    ['node1', 'node2'],
    ['web.0', 'web.1'],
  ]);
  assert.deepEqual(await seen({ phase: ['failed'] }), [[], []]);
  await report(store as Fixture, node2, web1, { phase: 'failed', healthy: false });
  assert.deepEqual(await seen({ phase: ['failed', 'lost'] }), [['node2'], ['web.1']]);
  const [only] = (await client.stats({ node: 'node2' }, t.signal)).nodes;
  assert.ok(only !== undefined && !('problem' in only));
  assert.deepEqual(
    only.instances.map(({ key }) => key),
    [web1],
    'what was not asked for is not told',
  );
  await assert.rejects(client.stats({ node: 'nosuch' }, t.signal), /Cannot find node "nosuch"/);
  await assert.rejects(client.stats({ phase: ['up'] }, t.signal), /expected one of pending/);
});
