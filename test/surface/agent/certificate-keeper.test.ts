import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CertificateKeeper, type KeeperOptions } from '../../../src/agent/certificate-keeper.ts';
import { openSigner } from '../../../src/agent/certificate-signer.ts';
import { nextKeyPath, readNodeCertificate } from '../../../src/agent/node-certificate.ts';
import type { TlsMaterial } from '../../../src/api/open-tls.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { parseNodeId } from '../../../src/domain/ids.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { openSelfInProcess } from '../../support/self-in-process.ts';
import { makeTestPki, type TestCertificate, type TestPki } from '../../support/test-pki.ts';
import { type Line, makeLog } from '../../unit/api/tls-fixture.ts';

const node = parseNodeId('1'.repeat(32));
const holder = { cluster: 'test', node };
/** Long enough for a busy machine to see a certificate before it's renewed, short enough to wait for. */
const lifetimeMs = 6_000;

interface Kept {
  readonly pki: TestPki;
  readonly folder: string;
  readonly paths: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly taken: TlsMaterial[];
  readonly lines: Line[];
  readonly asked: string[];
  /** Puts a certificate into its place, as an operator does. */
  readonly put: (certificate: TestCertificate) => Promise<void>;
  /** Begins to keep it; ends with the test. */
  readonly keep: (options?: Partial<KeeperOptions>) => CertificateKeeper;
}

async function makeKept(t: TestContext): Promise<Kept> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-keeper-'));
  const paths = { ca: join(folder, 'ca.pem'), cert: join(folder, 'node.pem'), key: join(folder, 'node-key.pem') };
  const pki = await makeTestPki('test');
  const [taken, lines, asked]: [TlsMaterial[], Line[], string[]] = [[], [], []];
  const stop = new AbortController();
  const runs: Promise<void>[] = [];
  t.after(async () => {
    stop.abort();
    await Promise.all(runs);
    await rm(folder, { recursive: true });
  });
  return {
    pki,
    folder,
    paths,
    taken,
    lines,
    asked,
    put: async (certificate) => {
      for (const name of ['ca', 'key', 'cert'] as const) {
        await writeFile(`${paths[name]}.put`, certificate[name]);
        await rename(`${paths[name]}.put`, paths[name]);
      }
    },
    keep: (options = {}) => {
      const keeper = new CertificateKeeper({
        paths,
        holder,
        self: openSelfInProcess(asked),
        addresses: () => Promise.resolve(['10.0.0.1', 'node1']),
        askOthers: () => Promise.reject(new AgentError('UNAVAILABLE', 'nobody signs')),
        onCertificate: async (material) => {
          if (taken.at(-1)?.cert !== material.cert) taken.push(material);
          await Promise.resolve();
        },
        clock: systemClock,
        log: makeLog(lines),
        random: () => 0.5,
        ...options,
      });
      runs.push(keeper.run(stop.signal));
      return keeper;
    },
  };
}

const fingerprint = (pem: string | undefined) => new X509Certificate(pem ?? '').fingerprint256;

test('a certificate that is put into its place is taken without a restart, also the first one', async (t) => {
  const kept = await makeKept(t);
  const keeper = kept.keep();
  await eventually('it to be waited for', 5_000, () =>
    kept.lines.some(({ message }) => /waits for its certificate/.test(message)),
  );
  assert.equal(keeper.material, undefined);
  const first = await kept.pki.issue({ role: 'node', name: node });
  await kept.put(first);
  await eventually('the first one to be taken', 5_000, () => keeper.material?.cert === first.cert);
  const second = await kept.pki.issue({ role: 'node', name: node });
  await kept.put(second);
  await eventually('the second one to be taken', 5_000, () => keeper.material?.cert === second.cert);
  assert.deepEqual(kept.asked, [], 'neither is due for renewal');
});

test('a node with the CA’s key issues its own first certificate, and renews it with a new key each time', async (t) => {
  const kept = await makeKept(t);
  await writeFile(kept.paths.ca, kept.pki.ca);
  const caKey = join(kept.folder, 'ca-key.pem');
  await writeFile(caKey, kept.pki.caKey);
  const self = openSelfInProcess(kept.asked);
  const keeper = kept.keep({ signer: openSigner({ self, ca: kept.paths.ca, caKey, lifetimeMs }) });
  await eventually('three certificates', 30_000, () => kept.taken.length >= 3);
  const [first, second] = kept.taken;
  assert.notEqual(first?.key, second?.key);
  const certificate = new X509Certificate(keeper.material?.cert ?? '');
  assert.equal(certificate.checkIP('10.0.0.1'), '10.0.0.1');
  assert.equal((await stat(kept.paths.key)).mode & 0o777, 0o600);
  assert.deepEqual((await readdir(kept.folder)).sort(), ['ca-key.pem', 'ca.pem', 'node-key.pem', 'node.pem']);
});

test('a certificate is renewed elsewhere when two thirds of its life are over, not before', async (t) => {
  const kept = await makeKept(t);
  const first = await kept.pki.issue({ role: 'node', name: node, lifetimeMs: 15_000 });
  await kept.put(first);
  const shown: TlsMaterial[] = [];
  const at: number[] = [];
  const self = openSelfInProcess();
  const caKey = join(kept.folder, 'ca-key.pem');
  await writeFile(caKey, kept.pki.caKey);
  const signer = openSigner({ self, ca: kept.paths.ca, caKey, lifetimeMs: 60_000 });
  kept.keep({
    askOthers: async (request, material, signal) => {
      shown.push(material);
      at.push(Date.now());
      return signer.sign({ node, addresses: [], request }, signal);
    },
  });
  await eventually('the renewed one to be taken', 30_000, () => kept.taken.length === 2);
  assert.equal(shown[0]?.cert, first.cert, 'asked for with the present one');
  const { validFromDate, validToDate } = new X509Certificate(first.cert);
  const lifeMs = validToDate.getTime() - validFromDate.getTime();
  const after = ((at[0] ?? 0) - validFromDate.getTime()) / lifeMs;
  assert.ok(after >= 0.66 && after < 1, String(after));
  const onDisk = await readFile(kept.paths.cert, 'utf8');
  assert.equal(fingerprint(onDisk), fingerprint(kept.taken[1]?.cert));
});

test('a renewal that fails is tried again, and the present certificate stays in use', async (t) => {
  const kept = await makeKept(t);
  const first = await kept.pki.issue({
    role: 'node',
    name: node,
    lifetimeMs: 60_000,
    now: new Date(Date.now() - 50_000),
  });
  await kept.put(first);
  let failures = 0;
  const keeper = kept.keep({
    askOthers: () => {
      failures += 1;
      return Promise.reject(new AgentError('UNAVAILABLE', 'nobody signs'));
    },
  });
  await eventually('two attempts', 15_000, () => failures >= 2);
  assert.equal(keeper.material?.cert, first.cert);
  assert.ok(kept.lines.some(({ fields }) => String(fields['err']).includes('nobody signs')));
  assert.doesNotMatch(JSON.stringify(kept.lines), /PRIVATE/);
});

const wrong: readonly (readonly [name: string, issue: (pki: TestPki) => Promise<TestCertificate>, says: RegExp])[] = [
  [
    'of another node',
    async (pki) => pki.issue({ role: 'node', name: '2'.repeat(32) }),
    /it is of node 2{32} of cluster "test": expected one of node 1{32}/,
  ],
  ['of an operator', async (pki) => pki.issue({ name: 'anna' }), /it is of operator anna/],
  [
    'of another cluster',
    async () => (await makeTestPki('other')).issue({ role: 'node', name: node }),
    /of cluster "other": expected/,
  ],
  [
    'of another CA',
    async (pki) => ({ ...(await (await makeTestPki('test')).issue({ role: 'node', name: node })), ca: pki.ca }),
    /expected one that a CA of ".*ca.pem" has signed/,
  ],
  [
    'with another key',
    async (pki) => ({ ...(await pki.issue({ role: 'node', name: node })), key: (await pki.issue()).key }),
    /expected the key of the certificate/,
  ],
  [
    'that is garbage',
    async (pki) => ({ ...(await pki.issue({ role: 'node', name: node })), cert: 'garbage' }),
    /expected a certificate in PEM/,
  ],
];
for (const [name, issue, says] of wrong) {
  test(`a certificate ${name} is told of and not used`, async (t) => {
    const kept = await makeKept(t);
    await kept.put(await issue(kept.pki));
    await assert.rejects(readNodeCertificate(kept.paths, holder), says);
    const keeper = kept.keep();
    await eventually('it to be told of', 5_000, () =>
      kept.lines.some(({ fields }) => says.test(String(fields['err']))),
    );
    assert.equal(keeper.material, undefined);
    const right = await kept.pki.issue({ role: 'node', name: node });
    await kept.put(right);
    await eventually('the right one to be taken', 15_000, () => keeper.material?.cert === right.cert);
  });
}

test('a crash between the two steps of a renewal leaves a pair that fits, whichever step came last', async (t) => {
  const { pki, paths, put } = await makeKept(t);
  const [old, fresh] = [await pki.issue({ role: 'node', name: node }), await pki.issue({ role: 'node', name: node })];
  await put(old);
  await writeFile(nextKeyPath(paths), fresh.key);
  assert.equal((await readNodeCertificate(paths, holder))?.material.cert, old.cert, 'only the key had been made');
  await writeFile(`${paths.cert}.new`, fresh.cert);
  assert.equal((await readNodeCertificate(paths, holder))?.material.cert, old.cert, 'the certificate had come');
  await writeFile(`${paths.cert}.new`, fresh.cert);
  await rename(nextKeyPath(paths), paths.key);
  const found = await readNodeCertificate(paths, holder);
  assert.deepEqual([found?.material.cert, found?.material.key], [fresh.cert, fresh.key], 'the key was in its place');
  assert.equal(await readFile(paths.cert, 'utf8'), fresh.cert);
});
