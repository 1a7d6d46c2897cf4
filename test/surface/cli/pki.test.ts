import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CertificateDescription, describeCertificate } from '../../../src/pki/describe-certificate.ts';
import { readCertificates } from '../../../src/pki/read-certificates.ts';
import type { NodeAnswer, NodeStateAnswer } from '../../../src/wire/answers.ts';
import { type FakeTerminalOptions, makeFakeTerminal } from '../../unit/cli/fake-terminal.ts';

const now = new Date('2026-01-01T00:00:00.000Z'); // of a fake terminal
const node7 = '7'.repeat(32);

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-pki-'));
  t.after(async () => rm(folder, { recursive: true }));
  return folder;
}

async function run(options: FakeTerminalOptions, ...argv: string[]) {
  const terminal = makeFakeTerminal(options);
  const code = await terminal.run(...argv);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

/** What a file says, as of the terminal's now. */
async function said(path: string): Promise<CertificateDescription> {
  const [first] = readCertificates(await readFile(path, 'utf8'), path);
  assert.ok(first);
  return describeCertificate(first, now);
}

async function makeCa(t: TestContext): Promise<{ readonly folder: string; readonly dir: string }> {
  const folder = await makeFolder(t);
  const dir = join(folder, 'pki');
  assert.equal((await run({}, 'pki', 'init', '--cluster', 'prod', '--dir', dir)).code, 0);
  return { folder, dir };
}

test('pki init makes a CA once, for ten years, and says where, never what the key is', async (t) => {
  const dir = join(await makeFolder(t), 'pki');
  const made = await run({}, 'pki', 'init', '--cluster', 'prod', '--dir', dir, '--utc');
  assert.equal(made.code, 0, made.stderr);
  assert.equal(
    made.stdout,
    `wrote ${dir}/ca.pem: the CA of cluster prod, until 2035-12-30 00:00:00Z\nwrote ${dir}/ca-key.pem: its key, for its owner alone\n`,
  );
  assert.equal((await stat(join(dir, 'ca-key.pem'))).mode & 0o777, 0o600);
  const key = await readFile(join(dir, 'ca-key.pem'), 'utf8');
  const again = await run({}, 'pki', 'init', '--cluster', 'prod', '--dir', dir);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /it is there already, expected --force/);
  assert.equal(await readFile(join(dir, 'ca-key.pem'), 'utf8'), key);
  assert.equal((await run({}, 'pki', 'init', '--cluster', 'prod', '--dir', dir, '--force')).code, 0);
  assert.notEqual(await readFile(join(dir, 'ca-key.pem'), 'utf8'), key);
});

test('pki init asks the agent which cluster it is, where it is not said', async (t) => {
  const dir = await makeFolder(t);
  const client = { node: () => Promise.resolve({ cluster: 'staging' } as NodeStateAnswer) };
  assert.equal((await run({ client }, 'pki', 'init', '--dir', dir)).code, 0);
  assert.equal((await said(join(dir, 'ca.pem'))).cluster, 'staging');
  const bad = await run({}, 'pki', 'init', '--dir', dir, '--cluster', 'Not One');
  assert.match(bad.stderr, /Cannot use cluster ID "Not One"/);
});

test('pki issue operator is good for a day, viewer or operator, and never leaves its folder', async (t) => {
  const { dir } = await makeCa(t);
  const anna = await run({}, 'pki', 'issue', 'operator', 'anna', '--dir', dir, '--json');
  assert.equal(anna.code, 0, anna.stderr);
  const json = JSON.parse(anna.stdout) as { files: { cert: string; key: string }; certificate: CertificateDescription };
  assert.deepEqual(json.files, { cert: `${dir}/operators/anna.pem`, key: `${dir}/operators/anna-key.pem` });
  assert.doesNotMatch(anna.stdout, /PRIVATE/);
  assert.deepEqual(await said(json.files.cert), json.certificate);
  assert.deepEqual(
    [json.certificate.role, json.certificate.name, json.certificate.notAfter],
    ['operator', 'anna', '2026-01-02T00:00:00.000Z'],
  );
  const bob = await run({}, 'pki', 'issue', 'operator', 'bob', '--role', 'viewer', '--lifetime', '1h', '--dir', dir);
  assert.equal(bob.code, 0, bob.stderr);
  const { role, notAfter } = await said(join(dir, 'operators', 'bob.pem'));
  assert.deepEqual([role, notAfter], ['viewer', '2026-01-01T01:00:00.000Z']);
  const cases: readonly (readonly [argv: string[], code: number, says: RegExp])[] = [
    [['../../etc/cron.d/x'], 1, /Cannot use the name/],
    [['eve', '--role', 'node'], 2, /expected viewer or operator/],
    [['eve', '--lifetime', '10y'], 2, /expected a duration/],
    [['eve', '--lifetime', '400d'], 2, /expected 1s to 398d/],
    [['anna'], 1, /it is there already/],
    [['eve', '--dir', '/no/such'], 1, /"\/no\/such\/ca.pem": expected the certificate of a CA/],
  ];
  for (const [argv, code, says] of cases) {
    const refused = await run(
      {},
      'pki',
      'issue',
      'operator',
      ...(argv.includes('--dir') ? [] : ['--dir', dir]),
      ...argv,
    );
    assert.equal(refused.code, code, argv.join(' '));
    assert.match(refused.stderr, says);
  }
});

test('pki issue node takes an ID as it is, and looks a hostname up with its addresses', async (t) => {
  const { dir } = await makeCa(t);
  const byId = await run({}, 'pki', 'issue', 'node', node7, '--address', '10.0.0.7,node7.example.com', '--dir', dir);
  assert.equal(byId.code, 0, byId.stderr);
  const first = await said(join(dir, 'nodes', `${node7}.pem`));
  assert.deepEqual([first.role, first.name, first.addresses], ['node', node7, ['10.0.0.7', 'node7.example.com']]);
  assert.equal(first.notAfter, '2026-01-08T00:00:00.000Z', 'a week');
  const node = { id: node7, hostname: 'node7', advertise: '10.0.0.7', addresses: ['10.0.0.7', 'fd00::7'] };
  const client = { inspectNode: () => Promise.resolve({ node, rows: [], problems: [] } as unknown as NodeAnswer) };
  assert.equal((await run({ client }, 'pki', 'issue', 'node', 'node7', '--dir', dir)).code, 0);
  const second = await said(join(dir, 'nodes', 'node7.pem'));
  assert.deepEqual([second.name, second.addresses], [node7, ['10.0.0.7', 'FD00:0:0:0:0:0:0:7', 'node7']]);
  const bad = await run({}, 'pki', 'issue', 'node', node7, '--address', 'not an address', '--dir', dir);
  assert.match(bad.stderr, /Cannot use the address "not an address"/);
});

test('pki renew keeps name, role, addresses and key', async (t) => {
  const { dir } = await makeCa(t);
  await run({}, 'pki', 'issue', 'node', node7, '--address', '10.0.0.7', '--lifetime', '1h', '--dir', dir);
  const [cert, key] = [join(dir, 'nodes', `${node7}.pem`), join(dir, 'nodes', `${node7}-key.pem`)];
  const [old, oldKey] = [await said(cert), await readFile(key, 'utf8')];
  const renewed = await run({}, 'pki', 'renew', cert, '--dir', dir, '--lifetime', '2h');
  assert.equal(renewed.code, 0, renewed.stderr);
  const fresh = await said(cert);
  assert.deepEqual([fresh.role, fresh.name, fresh.addresses], [old.role, old.name, old.addresses]);
  assert.equal(fresh.notAfter, '2026-01-01T02:00:00.000Z');
  assert.notEqual(fresh.serialNumber, old.serialNumber);
  assert.equal(await readFile(key, 'utf8'), oldKey);
  const { createPrivateKey } = await import('node:crypto');
  assert.ok(readCertificates(await readFile(cert, 'utf8'), cert)[0]?.checkPrivateKey(createPrivateKey(oldKey)));
  const ca = await run({}, 'pki', 'renew', join(dir, 'ca.pem'), '--dir', dir);
  assert.match(ca.stderr, /expected a certificate of a node, an operator or a viewer/);
});

test('pki request and sign make a certificate whose key never left its place', async (t) => {
  const { folder, dir } = await makeCa(t);
  const key = join(folder, 'node-key.pem');
  const requested = await run({}, 'pki', 'request', '--key', key);
  assert.equal(requested.code, 0, requested.stderr);
  assert.match(requested.stdout, /^-----BEGIN CERTIFICATE REQUEST-----\n/);
  assert.equal((await stat(key)).mode & 0o777, 0o600);
  const sign = ['pki', 'sign', '-', '--role', 'node', '--name', node7, '--address', '10.0.0.7', '--dir', dir];
  const signed = await run({ stdin: requested.stdout }, ...sign);
  assert.equal(signed.code, 0, signed.stderr);
  const [certificate] = readCertificates(signed.stdout, 'stdout');
  const { createPrivateKey } = await import('node:crypto');
  assert.ok(certificate?.checkPrivateKey(createPrivateKey(await readFile(key, 'utf8'))));
  for (const [argv, says] of [
    [['--role', 'root', '--name', 'x'], /expected --role viewer, operator or node/],
    [['--role', 'node', '--name', 'x'], /Cannot parse node ID/],
    [['--role', 'viewer'], /expected --name/],
  ] as const) {
    const refused = await run({ stdin: requested.stdout }, 'pki', 'sign', '-', '--dir', dir, ...argv);
    assert.match(refused.stderr, says);
  }
  const garbage = await run({ stdin: 'hello' }, ...sign);
  assert.match(garbage.stderr, /expected PKCS #10 in PEM/);
});

test('pki show says what a certificate says, and exits with 1 once it has ended', async (t) => {
  const { folder, dir } = await makeCa(t);
  await run({}, 'pki', 'issue', 'operator', 'anna', '--dir', dir);
  const path = join(dir, 'operators', 'anna.pem');
  const shown = await run({}, 'pki', 'show', path, '--utc');
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, /^Role: +operator\nName: +anna\nCluster: +prod\nState: +valid, 1d0h left\n/);
  assert.match(shown.stdout, /^Until: +2026-01-02 00:00:00Z$/m);
  const terminal = makeFakeTerminal({});
  await terminal.clock.advance(25 * 3_600_000);
  assert.equal(await terminal.run('pki', 'show', path), 1);
  assert.match(terminal.stdout(), /^State: +expired$/m);
  const both = join(folder, 'both.pem');
  await writeFile(both, (await readFile(path, 'utf8')) + (await readFile(join(dir, 'ca.pem'), 'utf8')));
  const json = JSON.parse((await run({}, 'pki', 'show', both, '--json')).stdout) as {
    certificates: CertificateDescription[];
  };
  assert.deepEqual(
    json.certificates.map(({ role }) => role),
    ['operator', 'ca'],
  );
  assert.match((await run({}, 'pki', 'show', join(dir, 'ca-key.pem'))).stderr, /it is a private key/);
});
