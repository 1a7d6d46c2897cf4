import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSigner } from '../../../src/agent/certificate-signer.ts';
import type { CertificateSigner } from '../../../src/api/certificate-signer.ts';
import { certificateIdentity } from '../../../src/domain/certificate-identity.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { openSelf } from '../../../src/host/run-self.ts';
import { makeKeys } from '../../../src/pki/keys.ts';
import { makeRequest } from '../../../src/pki/request.ts';
import type { CertificateAnswer } from '../../../src/wire/certificate-answers.ts';
import { openHttp } from '../../../src/wire/http.ts';
import { openSelfInProcess } from '../../support/self-in-process.ts';
import type { TestCertificate } from '../../support/test-pki.ts';
import { addNode, node1, node2, openFixture } from './api-fixture.ts';
import { openTlsFixture } from './tls-fixture.ts';

async function openSigning(t: TestContext, self = openSelfInProcess()) {
  const folder = await mkdtemp(join(tmpdir(), 'muster-sign-'));
  t.after(async () => rm(folder, { recursive: true }));
  const [ca, caKey] = [join(folder, 'ca.pem'), join(folder, 'ca-key.pem')];
  const signer = openSigner({ self, ca, caKey, lifetimeMs: 3_600_000 });
  const fixture = await openFixture(t, [], { certificates: signer });
  await addNode(fixture, node1, 'node1');
  const tls = await openTlsFixture(t, { api: { fetch: fixture.fetch } });
  await writeFile(ca, tls.pki.ca);
  await writeFile(caKey, tls.pki.caKey);
  const ask = async (certificate: TestCertificate, body: unknown) => {
    const http = openHttp({ url: tls.url, ...certificate }, { timeoutMs: 10_000 });
    try {
      return await http.json<CertificateAnswer>({ method: 'POST', path: '/v1/node/certificate', body }, t.signal);
    } finally {
      http.close();
    }
  };
  return { folder, fixture, tls, ask };
}

const refused = (code: string, says: RegExp) => (error: unknown) =>
  error instanceof AgentError && error.code === code && says.test(error.message);

test('a node gets a certificate for itself, with the addresses that the cluster knows', async (t) => {
  const { tls, ask } = await openSigning(t);
  const keys = await makeKeys();
  const present = await tls.pki.issue({ role: 'node', name: node1 });
  const { certificate } = await ask(present, { request: await makeRequest(keys) });
  const read = new X509Certificate(certificate);
  assert.deepEqual(certificateIdentity(read), { cluster: 'test', role: 'node', name: node1 });
  assert.equal(read.subjectAltName, `URI:muster://test/node/${node1}, IP Address:10.0.0.1, DNS:node1`);
  assert.ok(read.validToDate.getTime() - Date.now() > 3_500_000);
});

test('nobody gets a certificate for another, nor without being a node that the cluster knows', async (t) => {
  const { fixture, tls, ask } = await openSigning(t);
  const request = await makeRequest(await makeKeys());
  const operator = await tls.pki.issue({ role: 'operator' });
  await assert.rejects(ask(operator, { request }), refused('FORBIDDEN', /expected the role node/));
  const forgotten = await tls.pki.issue({ role: 'node', name: node2 });
  await assert.rejects(ask(forgotten, { request }), refused('FORBIDDEN', /expected one that the cluster knows/));
  const socket = openHttp({ socketPath: fixture.socketPath }, { timeoutMs: 10_000 });
  t.after(() => socket.close());
  const call = { method: 'POST', path: '/v1/node/certificate', body: { request } } as const;
  await assert.rejects(socket.json(call, t.signal), refused('FORBIDDEN', /over the socket: expected a node/));
});

test('what is no request is refused', async (t) => {
  const { tls, ask } = await openSigning(t);
  const present = await tls.pki.issue({ role: 'node', name: node1 });
  const begin = '-----BEGIN CERTIFICATE REQUEST-----';
  for (const body of [
    {},
    { request: 1 },
    { request: 'x' },
    { request: `${begin}${'x'.repeat(9_000)}` },
    { request: begin, name: 'root' },
  ])
    await assert.rejects(ask(present, body), refused('INVALID_INPUT', /expected {"request": PKCS #10 in PEM}/));
});

const main = join(import.meta.dirname, '..', '..', '..', 'src', 'main.ts');
for (const [how, self] of [
  ['in this process', openSelfInProcess()],
  ['in a process of its own', openSelf([process.execPath, main])],
] as const) {
  test(`what only looks like a request is refused, read ${how}; a CA that cannot sign is not the client's fault`, async (t) => {
    const { folder, tls, ask } = await openSigning(t, self);
    const present = await tls.pki.issue({ role: 'node', name: node1 });
    const request = await makeRequest(await makeKeys());
    const forged = request.replace(/(?<=^.{64}\n.{10})./m, (char) => (char === 'A' ? 'B' : 'A'));
    assert.notEqual(forged, request);
    const says = /^Cannot sign the request: expected PKCS #10 in PEM, signed with an ECDSA key on P-256/;
    const short = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----';
    for (const wrong of [short, `${request.slice(0, 120)}\n-----END CERTIFICATE REQUEST-----\n`, forged])
      await assert.rejects(ask(present, { request: wrong }), refused('INVALID_INPUT', says));
    await writeFile(join(folder, 'ca-key.pem'), 'no key');
    await assert.rejects(ask(present, { request }), refused('UNAVAILABLE', /ca-key\.pem/));
  });
}

test('a node without the CA’s key says so', async (t) => {
  const fixture = await openFixture(t);
  const tls = await openTlsFixture(t, { api: { fetch: fixture.fetch } });
  const http = openHttp(
    { url: tls.url, ...(await tls.pki.issue({ role: 'node', name: node1 })) },
    { timeoutMs: 10_000 },
  );
  t.after(() => http.close());
  const call = { method: 'POST', path: '/v1/node/certificate', body: { request: 'x' } } as const;
  await assert.rejects(http.json(call, t.signal), refused('CONFLICT', /expected a node with pki.caKey/));
});

test('certificates are signed one at a time, and only so many wait', async (t) => {
  let running = 0;
  let most = 0;
  const release: (() => void)[] = [];
  const self = {
    run: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => release.push(resolve));
      running -= 1;
      return 'signed';
    },
  };
  const signer: CertificateSigner = openSigner({ self, ca: '/ca', caKey: '/key', lifetimeMs: 3_600_000 });
  const order = { node: node1, addresses: [], request: 'x' };
  const all = Array.from({ length: 32 }, async () => signer.sign(order, t.signal));
  await assert.rejects(signer.sign(order, t.signal), refused('UNAVAILABLE', /at most 32 at once/));
  const done = Promise.all(all);
  let isDone = false;
  const watching = done.then(() => {
    isDone = true;
  });
  while (!isDone) {
    release.shift()?.();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  await watching;
  assert.equal(most, 1);
});
