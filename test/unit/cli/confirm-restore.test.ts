import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { clusterSettingsCodec, presenceCodec } from '../../../src/cluster/codecs.ts';
import { addNode, layout, node1, node2, openFixture } from '../api/api-fixture.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

async function openCluster(t: TestContext, inDoubt: boolean) {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  const settings = { layout: 1, ttlMs: 10_000, agentAwayMs: 60_000, epoch: 3 };
  await fixture.put(layout.cluster, clusterSettingsCodec.encode(settings));
  if (inDoubt) {
    const presence = { nonce: 'n', bootId: 'boot', ttlMs: 4_000 };
    const doubts = { ...presence, state: 'in-doubt', doubt: 'it went back', epoch: 7 } as const;
    await fixture.put(layout.presence(node1), presenceCodec.encode(doubts));
    await fixture.put(layout.presence(node2), presenceCodec.encode({ ...doubts, state: 'away', epoch: 4 }));
    fixture.setState({ joined: false, text: 'it went back' });
  }
  const stored = () => {
    const found = fixture.store.get(layout.cluster);
    assert.ok(found);
    return clusterSettingsCodec.decode(found.value, found.key);
  };
  const terminal = (stdin = '', columns?: number) =>
    makeFakeTerminal({ client: fixture.client, stdin, ...(columns === undefined ? {} : { columns }) });
  return { fixture, stored, terminal };
}

test('confirm-restore shows the doubts, asks, and raises the epoch above all that any node knows', async (t) => {
  const { fixture, stored, terminal } = await openCluster(t, true);
  const before = fixture.store.identity();
  const shown = terminal('yes\n', 100);
  assert.equal(await shown.run('cluster', 'confirm-restore'), 0, shown.stderr());
  assert.match(shown.stdout(), /node1: it went back\nnode2: it went back\n.*Type "yes"/s);
  assert.match(shown.stdout(), /confirmed at revision \d+, epoch 8/);
  assert.equal(stored().epoch, 8);
  assert.deepEqual(stored().confirmedStore, before);
  assert.equal(stored().ttlMs, 10_000);
});

test('confirm-restore changes nothing without a yes', async (t) => {
  const { stored, terminal } = await openCluster(t, true);
  assert.equal(await terminal('no\n', 100).run('cluster', 'confirm-restore'), 1);
  const piped = terminal('yes\n');
  assert.equal(await piped.run('cluster', 'confirm-restore'), 2);
  assert.match(piped.stderr(), /expected --yes, or a terminal/);
  assert.equal(stored().epoch, 3);
});

test('confirm-restore --yes asks nothing', async (t) => {
  const { stored, terminal } = await openCluster(t, true);
  assert.equal(await terminal().run('cluster', 'confirm-restore', '--yes', '--json'), 0);
  assert.equal(stored().epoch, 8);
});

test('confirm-restore has nothing to do where no node doubts the store', async (t) => {
  const { stored, terminal } = await openCluster(t, false);
  const asked = terminal();
  assert.equal(await asked.run('cluster', 'confirm-restore'), 0);
  assert.match(asked.stdout(), /no node doubts the store/);
  const told = terminal();
  assert.equal(await told.run('cluster', 'confirm-restore', '--yes'), 1);
  assert.match(told.stderr(), /no node doubts it/);
  assert.equal(stored().epoch, 3);
});

test('status says what the store lacks, and what a node doubts', async (t) => {
  const { fixture, terminal } = await openCluster(t, true);
  const since = '2026-01-01T00:00:00.000Z';
  fixture.setState({ store: { state: 'full', since, text: 'etcd is out of space' } });
  const shown = terminal();
  await shown.run('status');
  assert.match(shown.stdout(), /Store: +full since 0s ago \(2026-01-01 01:00:00\+01:00\): etcd is out of space/);
  assert.match(shown.stdout(), /in-doubt.*it went back/);
});
