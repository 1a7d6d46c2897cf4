import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { probeEndpoint } from '../../src/etcd/probe-endpoint.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import { EtcdServer, hasEtcd } from '../support/etcd-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const { signal } = new AbortController();
const options = { limitMs: 2_000, key: '/muster/test/cluster' };

if (hasEtcd()) runSuite();
else test('an endpoint of etcd is probed', { skip: 'lacks etcd (Debian: etcd-server)' }, () => {});

function runSuite(): void {
  let plain: EtcdServer;
  let secure: EtcdServer;
  before(async () => {
    [plain, secure] = await Promise.all([EtcdServer.start(), EtcdServer.start({ tls: true })]);
  });
  after(async () => {
    await plain?.close();
    await secure?.close();
  });

  test('an endpoint tells its version, its leader, its size, its time and how long a read takes', async () => {
    const probe = await probeEndpoint(plain.endpoints[0] ?? '', options, systemClock, signal);
    assert.equal(probe.error, undefined);
    assert.match(probe.version ?? '', /^3\.\d+\.\d+/);
    assert.deepEqual([probe.hasLeader, probe.alarms, probe.readError], [true, [], undefined]);
    assert.ok((probe.dbBytes ?? 0) > 0 && (probe.readMs ?? -1) > 0);
    assert.ok(Math.abs(probe.clockAheadMs ?? 10_000) < 2_000, "both clocks are this machine's");
  });

  test('an endpoint with TLS tells when its certificate ends; without the CA, why it is not trusted', async () => {
    const endpoint = secure.endpoints[0] ?? '';
    const { certs } = secure;
    assert.ok(certs);
    const own = certs.client('root');
    const tls = { ca: certs.read(certs.ca), cert: certs.read(own.cert), key: certs.read(own.key) };
    const probe = await probeEndpoint(endpoint, { ...options, tls }, systemClock, signal);
    assert.equal(probe.error, undefined);
    assert.match(probe.certificateEndsAt ?? '', /^\d{4}-\d\d-\d\dT/);
    const blind = await probeEndpoint(endpoint, { ...options, tls: { ca: tls.cert } }, systemClock, signal);
    assert.match(blind.error ?? '', /certificate|self.signed/i);
  });

  test('an endpoint that refuses, and one that is silent, say so within the limit', async () => {
    const refused = await probeEndpoint('http://127.0.0.1:9', options, systemClock, signal);
    assert.match(refused.error ?? '', /ECONNREFUSED/);
    const proxy = await TcpProxy.open(Number(new URL(plain.endpoints[0] ?? '').port));
    proxy.stop();
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    const silent = await probeEndpoint(endpoint, { ...options, limitMs: 300 }, systemClock, signal);
    assert.match(silent.error ?? '', /no answer within 300 ms/);
    await proxy.close();
  });
}
