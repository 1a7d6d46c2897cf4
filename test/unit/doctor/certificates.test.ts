import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../../src/config/read-config.ts';
import type { CertificateFacts } from '../../../src/doctor/facts.ts';
import { judgeCertificates } from '../../../src/doctor/judge-certificates.ts';
import { probeEtcd } from '../../../src/doctor/probe-etcd.ts';
import { readCertificateFiles } from '../../../src/doctor/read-certificate-files.ts';
import type { CertificateDescription } from '../../../src/pki/describe-certificate.ts';
import { makeTestPki } from '../../support/test-pki.ts';

const own = {
  role: 'node',
  name: 'node1',
  state: 'valid',
  notBefore: '2026-01-01T00:00:00Z',
  renewAt: '2026-01-05T16:00:00Z',
  notAfter: '2026-01-08T00:00:00Z',
} as CertificateDescription;
const file: CertificateFacts = { path: '/etc/node.pem', key: 'api.tls.cert', certificates: { value: [own] } };

test("the doctor warns of a node's own certificate only once its renewal is overdue", () => {
  const at = (time: string) => judgeCertificates([file], new Date(time))[0];
  assert.equal(at('2026-01-01T01:00:00Z')?.level, 'ok');
  assert.equal(at('2026-01-05T17:00:00Z')?.level, 'ok', 'renewal may take its time');
  const late = at('2026-01-06T12:00:00Z');
  assert.equal(late?.level, 'warn');
  assert.match(late.found, /valid for 1 more days, to be renewed since 2026-01-05T16:00:00Z/);
  assert.match(late.advice ?? '', /log.*pki\.caKey/);
  const elsewhere = judgeCertificates([{ ...file, key: 'etcd.tls.cert' }], new Date('2026-01-01T01:00:00Z'));
  assert.equal(elsewhere[0]?.level, 'warn', 'nobody renews that one');
});

/** A certificate with a key of mode 0600, and this process as somebody who may not read it until the test is over. */
async function openForbidden(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'muster-doctor-'));
  const uid = process.geteuid?.() ?? 0;
  const { ca, cert, key } = await (await makeTestPki('prod')).issue({ role: 'node', name: 'a'.repeat(32) });
  const path = (name: string) => join(folder, name);
  for (const [name, text] of Object.entries({ ca, cert, key })) writeFileSync(path(name), text);
  chmodSync(folder, 0o755);
  chmodSync(path('key'), uid === 0 ? 0o600 : 0);
  t.after(() => {
    if (uid === 0) process.seteuid?.(0);
    rmSync(folder, { recursive: true });
  });
  if (uid === 0) process.seteuid?.(65_534);
  const endpoints = ['https://127.0.0.1:1', 'https://127.0.0.1:2'];
  const files = { tlsCa: path('ca'), tlsCert: path('cert'), tlsKey: path('key') };
  return { endpoints, prefix: '/muster', cluster: 'prod', ...files } as unknown as Config;
}

test('a key that this user may not read makes neither a certificate nor etcd fail', async (t) => {
  const config = await openForbidden(t);
  const files = await readCertificateFiles(config, new Date());
  assert.deepEqual(
    files.map(({ key, keyFits, certificates }) => [key, keyFits, certificates.error]),
    [
      ['etcd.tls.ca', undefined, undefined],
      ['etcd.tls.cert', undefined, undefined],
    ],
  );
  const { etcd, etcdForbidden } = await probeEtcd(config, 1_000, t.signal);
  assert.equal(etcd, undefined);
  assert.match(etcdForbidden ?? '', /EACCES.*key/);
  const hidden = await readCertificateFiles({ ...config, tlsCert: config.tlsKey } as Config, new Date());
  const found = judgeCertificates(hidden, new Date()).find(({ subject }) => subject === config.tlsKey);
  assert.deepEqual([found?.level, found?.advice], ['warn', 'try as root']);
});
