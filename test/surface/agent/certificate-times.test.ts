import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Ports } from '../../../src/agent/ports.ts';
import { TlsService } from '../../../src/agent/serve-tls.ts';
import type { Api } from '../../../src/api/make-api.ts';
import type { Config } from '../../../src/config/read-config.ts';
import { parseClusterId } from '../../../src/domain/ids.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { Exposition } from '../../../src/metrics/expose.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { openSelfInProcess } from '../../support/self-in-process.ts';
import { makeTestPki, type TestCertificate } from '../../support/test-pki.ts';
import { layout, node1, openFixture } from '../../unit/api/api-fixture.ts';

test('metrics say when the certificate that is served with ends, and its CA; nothing before there is one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-times-'));
  const paths = { ca: join(folder, 'ca.pem'), cert: join(folder, 'node.pem'), key: join(folder, 'node-key.pem') };
  const { kv } = await openFixture(t);
  const metrics = new Metrics();
  const config = {
    cluster: parseClusterId('test'),
    ...{ apiTlsCa: paths.ca, apiTlsCert: paths.cert, apiTlsKey: paths.key, pkiLifetimeMs: 60_000 },
    ...{ apiListen: { host: '127.0.0.1', port: 0 }, apiRequestRate: 10, apiConnections: 10 },
  } as Partial<Config> as Config;
  const host = { addresses: () => [] };
  const ports = { clock: systemClock, log: silentLog, random: () => 0.5, host } as unknown as Ports;
  const identity = { nodeId: node1, hostname: 'node1' };
  const service = new TlsService({
    config,
    agent: { layout, kv, metrics },
    ports,
    identity,
    self: openSelfInProcess(),
  });
  const stop = new AbortController();
  const running = service.run({ close: () => {} } as Partial<Api> as Api, stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    await rm(folder, { recursive: true });
  });
  const told = async () => {
    const text = await new Exposition(metrics).text();
    const lines = text.matchAll(/^muster_((?:certificate|ca)_[a-z_]+)_timestamp_seconds (\S+)$/gm);
    return Object.fromEntries([...lines].map(([, name = '', value]) => [name, Number(value)]));
  };
  assert.deepEqual(await told(), {});
  const pki = await makeTestPki('test');
  const put = async (certificate: TestCertificate) => {
    for (const name of ['ca', 'key', 'cert'] as const) {
      await writeFile(`${paths[name]}.put`, certificate[name]);
      await rename(`${paths[name]}.put`, paths[name]);
    }
    const { validToDate, validFromDate } = new X509Certificate(certificate.cert);
    const [from, to] = [validFromDate.getTime() / 1000, validToDate.getTime() / 1000];
    const caEnds = new X509Certificate(pki.ca).validToDate.getTime() / 1000;
    return { certificate_renewal: from + ((to - from) * 2) / 3, certificate_expiry: to, ca_expiry: caEnds };
  };
  for (const lifetimeMs of [3_600_000, 7_200_000]) {
    const expected = await put(await pki.issue({ role: 'node', name: node1, lifetimeMs }));
    await eventually(
      'the certificate in use',
      10_000,
      async () => (await told())['certificate_expiry'] === expected.certificate_expiry,
    );
    const seen = await told();
    assert.ok(Math.abs((seen['certificate_renewal'] ?? 0) - expected.certificate_renewal) < 0.01);
    assert.equal(seen['ca_expiry'], expected.ca_expiry);
  }
});
