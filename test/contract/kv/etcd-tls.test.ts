import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Etcd3 } from 'etcd3';
import type { EtcdTls } from '../../../src/etcd/etcd-options.ts';
import { openKv } from '../../../src/etcd/open-kv.ts';
import type { Kv } from '../../../src/etcd/port.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { EtcdServer, hasEtcd } from '../../support/etcd-server.ts';
import { eventually } from '../../support/eventually.ts';
import { recordWatch } from '../../support/record-watch.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { makeTestCerts } from '../../support/test-certs.ts';
import { rejectsWith } from './suite.ts';

const never = new AbortController().signal;

// Not at the top of the file: where no test is wanted, what is started there is never ended.
suite('etcd with certificates', { skip: hasEtcd() ? false : 'lacks etcd (Debian: etcd-server)' }, runSuite);

function runSuite(): void {
  let server: EtcdServer;
  const clients: Kv[] = [];
  const proxies: TcpProxy[] = [];

  before(async () => {
    server = await EtcdServer.start({ tls: true });
  });
  after(async () => {
    for (const client of clients) client.close();
    for (const proxy of proxies) await proxy.close();
    await server?.close();
  });

  const tlsOf = (cn: string): EtcdTls => {
    const { certs } = server;
    if (!certs) throw new Error('the server has no certificates');
    const { cert, key } = certs.client(cn);
    return { ca: certs.read(certs.ca), cert: certs.read(cert), key: certs.read(key) };
  };
  const openProxy = async (targetPort: number, host?: string): Promise<TcpProxy> => {
    const proxy = await TcpProxy.open(targetPort, host);
    proxies.push(proxy);
    return proxy;
  };
  const open = (tls: EtcdTls, { endpoint = server.endpoints[0]!, callMs = 5_000 } = {}): Kv => {
    const client = openKv({ endpoints: [endpoint], tls, callMs }, systemClock, silentLog);
    clients.push(client);
    return client;
  };
  const put = (kv: Kv, key: string) => kv.commit({ compares: [], writes: [{ put: key, value: '1' }] }, never);

  test('etcd TLS: a client certificate is enough, by IP literal and by name, over a restart', async () => {
    const kv = open(tlsOf('root'));
    const stop = new AbortController();
    const { revision } = await put(kv, '/tls/a');
    const seen = recordWatch(kv, { prefix: '/tls/' }, revision, stop.signal);
    const { id } = await kv.grantLease(60_000, never);
    assert.ok((await kv.renewLease(id, 2_000, never)).ttlMs > 0);
    await put(open({ ...tlsOf('root'), serverName: 'etcd.test' }), '/tls/b');
    await eventually('both events', 5_000, () => seen.events.length === 2);
    await server.members[0]!.restart();
    await eventually('a write after the restart', 5_000, () => put(kv, '/tls/c'));
    await eventually('the event after the restart', 5_000, () =>
      seen.events.some((event) => event.kv.key === '/tls/c'),
    );
    stop.abort();
    await seen.ended;
  });

  test('etcd TLS: what is wrong with a certificate is UNAVAILABLE with its reason', async () => {
    const good = tlsOf('root');
    const foreign = makeTestCerts(`${server.directory}/foreign`);
    const wrongCa = open({ ...good, ca: foreign.read(foreign.ca) }, { callMs: 1_500 });
    await assert.rejects(wrongCa.get('/a', never), { code: 'UNAVAILABLE', message: /certificate/ });
    const wrongName = open({ ...good, serverName: 'other.test' }, { callMs: 1_500 });
    await assert.rejects(wrongName.get('/a', never), { code: 'UNAVAILABLE', message: /other\.test/ });
    const endpoint = server.endpoints[0]!.replace('127.0.0.1', 'localhost');
    const otherName = open(good, { endpoint, callMs: 1_500 });
    await assert.rejects(otherName.get('/a', never), { code: 'UNAVAILABLE', message: /localhost/ });
    const proxy = await openProxy(server.members[0]!.clientPort, '127.0.0.2');
    const otherIp = open(good, { endpoint: `https://127.0.0.2:${proxy.port}`, callMs: 1_500 });
    await assert.rejects(otherIp.get('/a', never), { code: 'UNAVAILABLE', message: /IP: 127\.0\.0\.2/ });
    const { ca } = good;
    await rejectsWith(open({ ca }, { callMs: 1_500 }).get('/a', never), 'UNAVAILABLE');
  });

  test('etcd TLS: the CN is the user, and what it may not do is FORBIDDEN', async () => {
    const root = tlsOf('root');
    const admin = new Etcd3({
      hosts: server.endpoints[0]!,
      credentials: {
        rootCertificate: Buffer.from(root.ca),
        privateKey: Buffer.from(root.key!),
        certChain: Buffer.from(root.cert!),
      },
      grpcOptions: { 'grpc.ssl_target_name_override': 'etcd.test' },
    });
    try {
      const prefix = { key: Buffer.from('/mine/'), range_end: Buffer.from('/mine0') };
      for (const name of ['root', 'node']) {
        await admin.auth.userAdd({ name, password: 'unused' });
        await admin.auth.roleAdd({ name });
        await admin.auth.userGrantRole({ user: name, role: name });
      }
      await admin.auth.roleGrantPermission({ name: 'node', perm: { permType: 'Readwrite', ...prefix } });
      await admin.auth.authEnable();
      const kv = open(tlsOf('node'));
      const { revision } = await put(kv, '/mine/a');
      assert.equal((await kv.list('/mine/', never)).kvs.length, 1);
      await rejectsWith(put(kv, '/other/a'), 'FORBIDDEN');
      await rejectsWith(kv.get('/other/a', never), 'FORBIDDEN');
      await rejectsWith(kv.list('/other/', never), 'FORBIDDEN');
      await rejectsWith(
        kv.watch({ prefix: '/other/' }, revision, () => {}, never),
        'FORBIDDEN',
      );
      await rejectsWith(kv.identity(never), 'FORBIDDEN');
      const options = { endpoints: server.endpoints, tls: tlsOf('node'), identityKey: '/mine/any' };
      const own = openKv(options, systemClock, silentLog);
      clients.push(own);
      assert.ok((await own.identity(never)).revision >= revision);
    } finally {
      admin.close();
    }
  });
}
