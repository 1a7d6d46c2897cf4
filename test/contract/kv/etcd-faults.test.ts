import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { observeStore } from '../../../src/cluster/observe-store.ts';
import { StoreHealthMonitor } from '../../../src/cluster/store-health.ts';
import { StoreTrust } from '../../../src/cluster/store-trust.ts';
import { TrustedKv } from '../../../src/cluster/trusted-kv.ts';
import { openKv } from '../../../src/etcd/open-kv.ts';
import type { Kv } from '../../../src/etcd/port.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { EtcdServer, hasEtcd } from '../../support/etcd-server.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';
import { recordWatch } from '../../support/record-watch.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const { signal } = new AbortController();

// Not at the top of the file: where no test is wanted, what is started there is never ended.
suite('etcd that fails', { skip: hasEtcd() ? false : 'lacks etcd (Debian: etcd-server)' }, runSuite);

function runSuite(): void {
  let server: EtcdServer;
  const closing: (() => unknown)[] = [];
  before(async () => {
    server = await EtcdServer.start();
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
    await server?.close();
  });

  const open = (endpoint: string, callMs = 1_500): Kv => {
    const kv = openKv({ endpoints: [endpoint], attemptMs: 500, callMs }, systemClock, silentLog);
    closing.push(() => kv.close());
    return kv;
  };
  const put = (kv: Kv, key: string, value = '') => kv.commit({ compares: [], writes: [{ put: key, value }] }, signal);

  test('etcd in a black hole is unavailable after one call, with calls that end in time; then good again', async () => {
    const [member] = server.members;
    const wire = await TcpProxy.open(member?.clientPort ?? 0);
    closing.push(() => wire.close());
    const monitor = new StoreHealthMonitor(systemClock, silentLog, () => {});
    const kv = observeStore(open(`http://127.0.0.1:${wire.port}`), monitor, systemClock);
    await put(kv, '/hole/a');
    assert.equal(monitor.health.state, 'good');
    wire.stop();
    for (let n = 0; n < 3; n += 1) {
      const beganMs = performance.now();
      await assert.rejects(kv.get('/hole/a', signal), { code: 'UNAVAILABLE' });
      assert.ok(performance.now() - beganMs < 5_000);
      assert.equal(monitor.health.state, 'unavailable');
    }
    wire.go();
    await eventually('an answer', 10_000, () => kv.get('/hole/a', signal).then(Boolean, () => false));
    assert.equal(monitor.health.state, 'good');
  });

  test('etcd restored: the same cluster ID, a lower revision, leases alive, and watches of the future silent', async () => {
    const [member] = server.members;
    assert.ok(member);
    const kv = open(member.endpoint);
    const { id } = await kv.grantLease(60_000, signal);
    await put(kv, '/restored/a');
    const snapshot = join(server.directory, 'backup.db');
    member.saveSnapshot(snapshot);
    for (let n = 0; n < 10; n += 1) await put(kv, '/restored/b', String(n));
    const { clusterId, revision } = await kv.identity(signal);

    const changes: (string | undefined)[] = [];
    const trust: StoreTrust = new StoreTrust({
      ...{ kv, files: new FakeStateFiles(), root: '/muster/x/', clock: systemClock, log: silentLog },
      random: () => 0.5,
      readSettings: async () => undefined,
      onChange: () => changes.push(trust.doubt),
    });
    const stop = new AbortController();
    await trust.load();
    assert.equal(await trust.judge({ epoch: 1 }, signal), true);
    const trusted = new TrustedKv(kv, trust, systemClock);
    const watched = recordWatch(kv, { prefix: '/restored/' }, revision + 1, stop.signal);

    await member.kill();
    member.restoreSnapshot(snapshot);
    member.start();
    await member.ready();
    const renewed = await eventually('a renewal', 10_000, () => kv.renewLease(id, 500, signal).catch(() => undefined));
    assert.ok(renewed.ttlMs > 0, 'a lease of the snapshot is alive again');
    assert.equal(renewed.store.clusterId, clusterId);
    assert.ok(renewed.store.revision < revision);
    await put(kv, '/restored/c');

    await assert.rejects(trusted.get('/restored/a', signal), { code: 'UNAVAILABLE' });
    const running = trust.run(stop.signal);
    await eventually('the doubt', 5_000, () => trust.doubt !== undefined);
    assert.match(trust.doubt ?? '', new RegExp(`revision ${revision}, term .*an older copy`));
    assert.equal(changes.length, 2);
    assert.deepEqual(watched.events, [], 'the watch tells none of what is written');
    await eventually('word that its connection was lost', 5_000, () =>
      watched.batches.some(({ connection }) => typeof connection === 'object'),
    );
    const confirmedStore = await kv.identity(signal);
    trust.noteSettings({ epoch: 2, confirmedStore });
    await eventually('trust', 5_000, () => trust.isUsable);
    assert.ok((await trusted.get('/restored/c', signal)).kv);
    assert.equal((await trusted.get('/restored/b', signal)).kv, undefined);
    stop.abort();
    await Promise.all([running, watched.ended]);
  });

  test('a member of another cluster among the endpoints answers in vain, and its watch is told to nobody', async () => {
    const [member] = server.members;
    assert.ok(member);
    const foreign = await EtcdServer.start();
    closing.push(() => foreign.close());
    const [other] = foreign.members;
    assert.ok(other);
    const endpoints = [member.endpoint, other.endpoint];
    const kv = openKv({ endpoints, attemptMs: 500, callMs: 1_500 }, systemClock, silentLog);
    closing.push(() => kv.close());
    for (let n = 0; n < 100; n += 1) await put(open(other.endpoint), '/both/a', 'foreign'); // it has come further
    await put(open(member.endpoint), '/both/a', 'own');

    const trust = new StoreTrust({
      ...{ kv, files: new FakeStateFiles(), root: '/muster/x/', clock: systemClock, log: silentLog },
      ...{ random: () => 0.5, readSettings: async () => ({ epoch: 1 }), onChange: () => {} },
    });
    const stop = new AbortController();
    await trust.load();
    assert.equal(await trust.judge({ epoch: 1 }, signal), true);
    const running = trust.run(stop.signal);
    const trusted = new TrustedKv(kv, trust, systemClock);
    const read = await trusted.get('/both/a', signal);
    const watched = recordWatch(trusted, { prefix: '/both/' }, read.revision + 1, stop.signal);
    await member.kill();
    await assert.rejects(watched.ended, { code: 'UNAVAILABLE' });
    await assert.rejects(trusted.get('/both/a', signal), { code: 'UNAVAILABLE' });
    assert.deepEqual(watched.events, []);
    assert.match(trust.doubt ?? '', /now another etcd cluster answers/);
    await other.kill();
    member.start();
    await member.ready();
    await eventually('trust', 10_000, () =>
      trust.lookAgain(signal).then(
        () => trust.isClear,
        () => false,
      ),
    );
    assert.equal((await trusted.get('/both/a', signal)).kv?.value, 'own');
    stop.abort();
    await running;
  });
}
