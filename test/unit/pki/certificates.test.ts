import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  certificateAddresses,
  certificateIdentity,
  certificateUri,
  parseHolderName,
} from '../../../src/domain/certificate-identity.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { parseClusterId } from '../../../src/domain/ids.ts';
import { checkLifetime, makeAuthority, openAuthority, signCertificate } from '../../../src/pki/authority.ts';
import { describeCertificate, renewalTime } from '../../../src/pki/describe-certificate.ts';
import { makeKeys, readKeys, writeKey } from '../../../src/pki/keys.ts';
import { readPem, writePems } from '../../../src/pki/pem-files.ts';
import { readCertificates } from '../../../src/pki/read-certificates.ts';
import { makeRequest, readRequest } from '../../../src/pki/request.ts';
import { makeTestPki } from '../../support/test-pki.ts';

const cluster = parseClusterId('prod');
const now = new Date('2026-05-01T12:00:00Z');
const day = 86_400_000;

const refused = (code: string, says: RegExp) => (error: unknown) =>
  error instanceof AgentError && error.code === code && says.test(error.message);

test('a certificate says whose it is, of which cluster, in which role and for which addresses', async () => {
  const pki = await makeTestPki('prod');
  const name = '4'.repeat(32);
  const addresses = ['10.0.0.7', 'node7.example.com', 'fd00::7'];
  const { cert } = await pki.issue({ role: 'node', name, addresses });
  const certificate = new X509Certificate(cert);
  assert.deepEqual(certificateIdentity(certificate), { cluster, role: 'node', name });
  assert.deepEqual(certificateAddresses(certificate), ['10.0.0.7', 'node7.example.com', 'FD00:0:0:0:0:0:0:7']);
  assert.equal(certificate.checkHost('node7.example.com'), 'node7.example.com');
  assert.equal(certificate.checkIP('10.0.0.7'), '10.0.0.7');
  assert.equal(certificate.ca, false);
  assert.ok(certificate.verify(new X509Certificate(pki.ca).publicKey));
});

test('only a node may serve: everybody else’s certificate is for clients alone', async () => {
  const pki = await makeTestPki('prod');
  const purposes = async (role: 'node' | 'operator' | 'viewer') =>
    new X509Certificate((await pki.issue({ role, name: 'x1' })).cert).keyUsage;
  assert.deepEqual(await purposes('node'), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.deepEqual(await purposes('operator'), ['1.3.6.1.5.5.7.3.2']);
  assert.deepEqual(await purposes('viewer'), ['1.3.6.1.5.5.7.3.2']);
});

test('a CA signs for its own cluster, never for longer than itself, and not once it is over', async () => {
  const made = await makeAuthority(cluster, { now, lifetimeMs: day });
  const authority = await openAuthority({
    cert: made.cert,
    certSource: 'ca.pem',
    key: made.key,
    keySource: 'ca-key.pem',
  });
  assert.equal(authority.cluster, 'prod');
  const { publicKey } = await makeKeys();
  const order = {
    identity: { cluster, role: 'operator', name: 'anna' } as const,
    addresses: [],
    publicKey,
    now,
    lifetimeMs: 30 * day,
  };
  const cert = new X509Certificate(await signCertificate(authority, order));
  assert.equal(cert.validTo, new X509Certificate(made.cert).validTo);
  const other = { ...order, identity: { ...order.identity, cluster: parseClusterId('other') } };
  await assert.rejects(signCertificate(authority, other), refused('FORBIDDEN', /expected "prod", whose CA this is/));
  const late = { ...order, now: new Date(now.getTime() + 2 * day) };
  await assert.rejects(signCertificate(authority, late), refused('CONFLICT', /a CA that ended 2026-05-02/));
});

test('a certificate is good from a little before it was made, and due for renewal after two thirds', async () => {
  const made = await makeAuthority(cluster, { now, lifetimeMs: 365 * day });
  const [ca] = readCertificates(made.cert, 'ca');
  assert.ok(ca);
  const said = describeCertificate(ca, now);
  assert.deepEqual(
    [said.role, said.cluster, said.state, said.notBefore],
    ['ca', 'prod', 'valid', '2026-05-01T11:55:00.000Z'],
  );
  assert.equal(describeCertificate(ca, new Date('2027-06-01T00:00:00Z')).state, 'expired');
  assert.equal(describeCertificate(ca, new Date('2026-04-01T00:00:00Z')).state, 'not yet valid');
  const [from, to] = [new Date(0), new Date(90_000)];
  assert.equal(renewalTime({ validFromDate: from, validToDate: to }).getTime(), 60_000);
});

test('of several CAs in one file the one whose key it is signs', async () => {
  const [old, next] = [
    await makeAuthority(cluster, { now, lifetimeMs: day }),
    await makeAuthority(cluster, { now, lifetimeMs: day }),
  ];
  const opened = await openAuthority({
    cert: old.cert + next.cert,
    certSource: 'ca.pem',
    key: next.key,
    keySource: 'key',
  });
  assert.equal(new X509Certificate(opened.cert).fingerprint256, new X509Certificate(next.cert).fingerprint256);
  const pair = { cert: old.cert, certSource: 'ca.pem', key: next.key, keySource: 'key.pem' };
  await assert.rejects(
    openAuthority(pair),
    refused('INVALID_INPUT', /Cannot sign with "key.pem": expected the key of a CA in "ca.pem"/),
  );
  const pki = await makeTestPki('prod');
  const leaf = await pki.issue();
  const asCa = { cert: leaf.cert, certSource: 'anna.pem', key: leaf.key, keySource: 'anna-key.pem' };
  await assert.rejects(openAuthority(asCa), refused('INVALID_INPUT', /expected the key of a CA/));
});

test('a request proves that its key is there, and says nothing else that counts', async () => {
  const keys = await makeKeys();
  const request = await makeRequest(keys);
  const read = await readRequest(request);
  const raw = async (key: typeof read) => Buffer.from(await crypto.subtle.exportKey('spki', key)).toString('hex');
  assert.equal(await raw(read), await raw(keys.publicKey));
  const lines = request.split('\n');
  const body = Buffer.from(lines.slice(1, -2).join(''), 'base64');
  body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1); // the last byte of the signature
  const forged = [lines[0], body.toString('base64'), lines.at(-2), ''].join('\n');
  for (const text of [forged, '', 'x', request.slice(0, 100), `${request}${'x'.repeat(9_000)}`])
    await assert.rejects(readRequest(text), refused('INVALID_INPUT', /expected PKCS #10 in PEM/));
});

test('a key is read as it was written, and one of another kind is refused without being quoted', async () => {
  const pem = await writeKey(await makeKeys());
  assert.equal(await writeKey(await readKeys(pem, 'key.pem')), pem);
  const { generateKeyPairSync } = await import('node:crypto');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  await assert.rejects(readKeys(String(rsa), 'rsa.pem'), refused('INVALID_INPUT', /"rsa.pem": expected an ECDSA key/));
  const secret = 'MIGHAgEAMBMGByqGSM49';
  await assert.rejects(
    readKeys(secret, 'key.pem'),
    (error) => error instanceof Error && !error.message.includes(secret),
  );
});

test('what isn’t a certificate is refused, and a key is called one', async () => {
  assert.throws(
    () => readCertificates('hello', 'a.pem'),
    refused('INVALID_INPUT', /Cannot read "a.pem": expected a certificate in PEM$/),
  );
  const key = await writeKey(await makeKeys());
  assert.throws(() => readCertificates(key, 'a.pem'), refused('INVALID_INPUT', /it is a private key/));
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  assert.throws(() => readCertificates(broken, 'a.pem'), refused('INVALID_INPUT', /expected X.509 in PEM/));
});

const texts: readonly (readonly [name: string, subject: string, names: string | undefined, is: boolean])[] = [
  ['one of ours', 'O=prod\nCN=anna', 'URI:muster://prod/operator/anna', true],
  ['with other names', 'O=prod\nCN=anna', 'DNS:a, URI:muster://prod/operator/anna, IP Address:10.0.0.1', true],
  ['no names', 'O=prod\nCN=anna', undefined, false],
  ['another CN', 'O=prod\nCN=bob', 'URI:muster://prod/operator/anna', false],
  ['another O', 'O=other\nCN=anna', 'URI:muster://prod/operator/anna', false],
  ['two of our URIs', 'O=prod\nCN=anna', 'URI:muster://prod/viewer/anna, URI:muster://prod/operator/anna', false],
  ['an unknown role', 'O=prod\nCN=anna', 'URI:muster://prod/root/anna', false],
  ['a role within a quoted name', 'O=prod\nCN=anna', 'DNS:"x, URI:muster://prod/operator/anna, y"', false],
  ['more of a path', 'O=prod\nCN=anna', 'URI:muster://prod/operator/anna/x', false],
  ['a bad cluster', 'O=Prod!\nCN=anna', 'URI:muster://Prod!/operator/anna', false],
  ['a bad name', 'O=prod\nCN=..', 'URI:muster://prod/operator/..', false],
];
for (const [name, subject, subjectAltName, is] of texts) {
  test(`certificateIdentity() ${is ? 'takes' : 'refuses'} ${name}`, () => {
    assert.equal(certificateIdentity({ subject, subjectAltName }) !== undefined, is);
  });
}

test('names become part of paths and URIs, and are held to it', () => {
  for (const name of ['anna', 'a', 'anna@example.com', 'ci-1.prod', 'x'.repeat(64)])
    assert.equal(parseHolderName(name), name);
  for (const name of ['', '.', '..', '../x', 'a/b', 'a b', '-a', 'a-', 'ä', 'x'.repeat(65), 'a\n', 'a..b', '%2e'])
    assert.throws(() => parseHolderName(name), refused('INVALID_INPUT', /expected 1 to 64/), name);
  assert.equal(certificateUri({ cluster, role: 'viewer', name: 'anna' }), 'muster://prod/viewer/anna');
});

test('a lifetime has bounds', () => {
  assert.equal(checkLifetime('node', 7 * day), 7 * day);
  assert.throws(() => checkLifetime('node', 400 * day), refused('INVALID_INPUT', /expected 1s to 398d/));
  assert.throws(() => checkLifetime('operator', 10), refused('INVALID_INPUT', /expected 1s/));
});

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-pki-'));
  t.after(async () => rm(folder, { recursive: true }));
  return folder;
}

test('a key is written for its owner alone, and nothing that is there is replaced unless that was said', async (t) => {
  const folder = join(await makeFolder(t), 'pki');
  const [key, cert] = [join(folder, 'a-key.pem'), join(folder, 'a.pem')];
  const files = (content: string) => [
    { path: key, content, secret: true },
    { path: cert, content, secret: false },
  ];
  await writePems(files('one'), false);
  assert.equal((await stat(key)).mode & 0o777, 0o600);
  assert.equal((await stat(cert)).mode & 0o777, 0o644);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  await assert.rejects(
    writePems(files('two'), false),
    refused('CONFLICT', /a-key.pem": it is there already, expected --force/),
  );
  assert.equal(await readFile(key, 'utf8'), 'one');
  await rm(key);
  await assert.rejects(writePems(files('two'), false), refused('CONFLICT', /a.pem": it is there already/));
  assert.deepEqual((await readdir(folder)).sort(), ['a.pem'], 'neither of them was written');
  await chmod(cert, 0o644);
  await writePems(files('three'), true);
  assert.equal(await readFile(cert, 'utf8'), 'three');
  assert.deepEqual((await readdir(folder)).sort(), ['a-key.pem', 'a.pem']);
});

test('a file that can’t be read, or is far too large, is refused saying what it was to be', async (t) => {
  const folder = await makeFolder(t);
  await assert.rejects(
    readPem(join(folder, 'no.pem'), 'your key'),
    refused('INVALID_INPUT', /no.pem": expected your key/),
  );
  await writeFile(join(folder, 'big.pem'), 'x'.repeat(2 ** 20 + 1));
  await assert.rejects(readPem(join(folder, 'big.pem'), 'your key'), refused('INVALID_INPUT', /far too large/));
});
