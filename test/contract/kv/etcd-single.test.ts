import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { after, before, suite, test } from 'node:test';
import type { EtcdOptions } from '../../../src/etcd/etcd-options.ts';
import { openKv } from '../../../src/etcd/open-kv.ts';
import type { Kv, Write } from '../../../src/etcd/port.ts';
import { Session } from '../../../src/etcd/session.ts';
import type { Clock } from '../../../src/loop/clock.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { EtcdServer, hasEtcd } from '../../support/etcd-server.ts';
import { eventually } from '../../support/eventually.ts';
import { recordWatch } from '../../support/record-watch.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { rejectsWith } from './suite.ts';

const never = new AbortController().signal;

// Not at the top of the file: where no test is wanted, what is started there is never ended.
suite('etcd of one member', { skip: hasEtcd() ? false : 'lacks etcd (Debian: etcd-server)' }, runSuite);

/** The system's clock, counting the timers that wait. */
function countingClock(): Clock & { readonly waiting: number } {
  let waiting = 0;
  return {
    ...systemClock,
    after: (ms, then) => {
      waiting += 1;
      const over = once(() => {
        waiting -= 1;
      });
      const cancel = systemClock.after(ms, () => {
        over();
        then();
      });
      return () => {
        over();
        cancel();
      };
    },
    sleep: (ms, signal) => {
      waiting += 1;
      return systemClock.sleep(ms, signal).finally(() => {
        waiting -= 1;
      });
    },
    get waiting() {
      return waiting;
    },
  };
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}

/** Requests that etcd has seen begin, by method. */
async function startedRequests(server: EtcdServer): Promise<Map<string, number>> {
  const started = new Map<string, number>();
  for (const line of (await server.members[0]!.metrics()).split('\n')) {
    const match = /^grpc_server_started_total\{grpc_method="(\w+)",grpc_service="etcdserverpb.*\} (\d+)/.exec(line);
    if (match) started.set(match[1]!, Number(match[2]));
  }
  return started;
}

function runSuite(): void {
  let server: EtcdServer;
  const clients: Kv[] = [];
  const proxies: TcpProxy[] = [];

  before(async () => {
    server = await EtcdServer.start();
  });
  after(async () => {
    for (const client of clients) client.close();
    for (const proxy of proxies) await proxy.close();
    await server?.close();
  });

  const openProxy = async (targetPort: number, host?: string): Promise<TcpProxy> => {
    const proxy = await TcpProxy.open(targetPort, host);
    proxies.push(proxy);
    return proxy;
  };
  const open = (options: Partial<EtcdOptions> = {}, clock: Clock = systemClock): Kv => {
    const client = openKv({ endpoints: server.endpoints, ...options }, clock, silentLog);
    clients.push(client);
    return client;
  };

  test('etcd: a watch that is cut in the midst of catching up delivers each event once', async () => {
    const writer = open();
    const proxy = await openProxy(server.members[0]!.clientPort);
    const kv = open({ endpoints: [`http://127.0.0.1:${proxy.port}`] });
    const commit = (round: number, keys: number, bytes: number) => {
      const write = (at: number): Write => ({ put: `/catch/${at}`, value: `${round} ${'x'.repeat(bytes)}` });
      return writer.commit({ compares: [], writes: Array.from({ length: keys }, (_, at) => write(at)) }, never);
    };
    const { revision: begin } = await commit(0, 1, 0);
    // More revisions than etcd puts into one answer, then more bytes than it puts into one fragment.
    for (let round = 0; round < 2_400; round += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, at) => commit(round + at, 2, 40)));
    }
    await Promise.all(Array.from({ length: 50 }, (_, at) => commit(at, 100, 400)));
    const { revision: end } = await writer.get('/catch/0', never);
    const stop = new AbortController();
    const cuts = [0, 200, 1_500, 60_000, 200_000, 400_000, 900_000, 1_600_000];
    const count = cuts.length;
    proxy.cutAfter(cuts.shift()!);
    const seen = recordWatch(kv, { prefix: '/catch/' }, begin + 1, stop.signal);
    await eventually('all events', 20_000, () => {
      if (cuts.length > 0 && proxy.accepted > count - cuts.length) proxy.cutAfter(cuts.shift()!);
      return seen.revision >= end;
    });
    const perRevision = new Map<number, number>();
    for (const { events } of seen.batches) {
      const revisions = new Set(events.map((event) => event.kv.modRevision));
      for (const revision of revisions) assert.ok(!perRevision.has(revision), 'a transaction was split');
      for (const { kv } of events) perRevision.set(kv.modRevision, (perRevision.get(kv.modRevision) ?? 0) + 1);
    }
    const expected = Array.from({ length: end - begin }, (_, at) => [begin + 1 + at, at < 2_400 ? 2 : 100]);
    assert.deepEqual([...perRevision], expected);
    assert.ok(proxy.accepted >= 3, `only ${proxy.accepted} connections`);
    stop.abort();
    await seen.ended;
  });

  test('etcd: an idle client with a session and a watch asks for nothing but its renewals', async () => {
    const kv = open();
    const stop = new AbortController();
    const options = {
      kv,
      clock: systemClock,
      log: silentLog,
      ttlMs: 6_000,
      onChange: () => assert.fail('no change was due'),
    };
    const session = await Session.open(options, never);
    const { revision } = await kv.commit({ compares: [], writes: [{ put: '/idle/a', value: '' }] }, never);
    const seen = recordWatch(kv, { prefix: '/idle/' }, revision, stop.signal);
    const running = session.run(stop.signal);
    try {
      await eventually('the watch', 5_000, () => seen.events.length === 1);
      const begun = await startedRequests(server);
      const before = begun.get('LeaseKeepAlive') ?? 0;
      const ended = await eventually('three renewals', 20_000, async () => {
        const now = await startedRequests(server);
        return (now.get('LeaseKeepAlive') ?? 0) >= before + 3 ? now : undefined;
      });
      for (const [method, count] of ended) {
        if (method !== 'LeaseKeepAlive') assert.equal(count, begun.get(method) ?? 0, method);
      }
    } finally {
      stop.abort();
      await Promise.all([running, seen.ended]);
    }
    await kv.revokeLease(session.leaseId, never);
  });

  test('etcd: aborted calls and watches leave no listener, no timer and no stream', async () => {
    const clock = countingClock();
    const proxy = await openProxy(server.members[0]!.clientPort);
    const kv = open({ endpoints: [`http://127.0.0.1:${proxy.port}`], attemptMs: 60_000, callMs: 60_000 }, clock);
    const life = new AbortController();
    const { revision } = await kv.get('/leak/a', life.signal);
    const streamsNow = async () => {
      const metrics = await server.members[0]!.metrics();
      return Number(/^etcd_debugging_mvcc_watch_stream_total (\d+)/m.exec(metrics)?.[1] ?? 0);
    };
    const streams = await streamsNow();
    for (let round = 0; round < 50; round += 1) {
      const stop = new AbortController();
      const watching = kv.watch({ prefix: '/leak/' }, revision + 1, () => {}, stop.signal);
      await kv.get('/leak/a', life.signal);
      stop.abort();
      await watching;
    }
    proxy.stop();
    for (let round = 0; round < 100; round += 1) {
      const stop = new AbortController();
      const calls = [
        kv.get('/leak/a', stop.signal),
        kv.renewLease('1', 2_000, stop.signal),
        kv.list('/leak/', stop.signal),
      ];
      const watching = kv.watch({ prefix: '/leak/' }, revision + 1, () => {}, stop.signal);
      await new Promise(setImmediate);
      stop.abort();
      await Promise.allSettled([...calls, watching]);
      assert.equal(getEventListeners(stop.signal, 'abort').length, 0);
    }
    assert.equal(getEventListeners(life.signal, 'abort').length, 0);
    await eventually('no timer to wait', 1_000, () => clock.waiting === 0);
    kv.close();
    proxy.cut(); // what was aborted in the black hole could not tell etcd
    await eventually('etcd to see no more streams than before', 5_000, async () => (await streamsNow()) <= streams);
  });

  test('etcd: a store out of space refuses writes and new leases as FULL, and goes on renewing', async () => {
    const small = await EtcdServer.start({ quotaBytes: 4 * 1024 * 1024 });
    try {
      const kv = open({ endpoints: small.endpoints });
      const { id } = await kv.grantLease(60_000, never);
      const fill = (n: number) =>
        kv.commit({ compares: [], writes: [{ put: `/full/${n}`, value: 'x'.repeat(500_000) }] }, never);
      await rejectsWith(
        (async () => {
          for (let n = 0; n < 40; n += 1) await fill(n);
        })(),
        'FULL',
      );
      await assert.rejects(fill(99), /space exceeded/);
      await rejectsWith(kv.grantLease(60_000, never), 'FULL');
      assert.ok((await kv.renewLease(id, 2_000, never)).ttlMs > 0);
      assert.ok((await kv.list('/full/', never)).kvs.length > 0);
    } finally {
      await small.close();
    }
  });

  test('etcd: endpoints that are none are refused by name', () => {
    for (const endpoint of ['127.0.0.1:2379', 'http://127.0.0.1', 'ftp://x:1', 'http://u:p@x:1', 'http://x:1/path']) {
      assert.throws(() => open({ endpoints: [endpoint] }), {
        code: 'INVALID_INPUT',
        message: new RegExp(`"${endpoint.replace('?', '.')}"`),
      });
    }
    assert.throws(() => open({ endpoints: [] }), { code: 'INVALID_INPUT' });
  });
}
