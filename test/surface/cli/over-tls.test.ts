import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from '../../../src/cli/connection.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import { eventually } from '../../support/eventually.ts';
import { makeTestPki, type TestCertificate, type TestCertificateOptions } from '../../support/test-pki.ts';
import { addLeader, addNode, assign, node1, openFixture, report } from '../../unit/api/api-fixture.ts';
import { openTlsFixture } from '../../unit/api/tls-fixture.ts';
import { type FakeTerminal, makeFakeTerminal } from '../../unit/cli/fake-terminal.ts';

/** Commands from elsewhere: over mutual TLS, against the API itself. */

const key = 'hello.service/0' as InstanceKey;
const unitText = '[Service]\nExecStart=/bin/sleep infinity\n';

async function openRemote(t: TestContext) {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addLeader(fixture, node1);
  const tls = await openTlsFixture(t, {
    api: { fetch: fixture.fetch, open: 0, upgrade: async () => {}, close: () => {} },
  });
  const folder = await mkdtemp(join(tmpdir(), 'muster-laptop-'));
  t.after(async () => rm(folder, { recursive: true }));
  const terminalOf = async (certificate: TestCertificate, url = tls.url): Promise<FakeTerminal> => {
    const env: Record<string, string> = { MUSTER_ENDPOINT: url };
    for (const name of ['ca', 'cert', 'key'] as const) {
      env[`MUSTER_${name.toUpperCase()}`] = join(folder, `${name}.pem`);
      await writeFile(join(folder, `${name}.pem`), certificate[name]);
    }
    return makeFakeTerminal({ env, stdin: unitText, connect: (target) => Promise.resolve(connect(target)) });
  };
  const laptop = async (options: TestCertificateOptions = {}) => terminalOf(await tls.pki.issue(options));
  return { fixture, tls, laptop, terminalOf };
}

test('an operator applies and follows from elsewhere, a viewer reads and changes nothing', async (t) => {
  const { fixture, laptop } = await openRemote(t);
  const anna = await laptop();
  const code = anna.run('apply', '-', '--name', 'hello.service');
  await eventually('the instance to be shown pending', 5_000, () => anna.stdout().includes('hello.service: pending'));
  const spec = Number(/spec (\d+)/.exec(anna.stdout())?.[1]);
  const assignmentRevision = await assign(fixture, node1, key, { spec });
  await report(fixture, node1, key, { spec, assignmentRevision, pid: 4242 });
  assert.equal(await code, 0, anna.stderr());
  assert.match(anna.stdout(), /hello\.service on node1: running, healthy\ndone: hello\.service running/);
  const bob = await laptop({ role: 'viewer', name: 'bob' });
  assert.equal(await bob.run('ps'), 0, bob.stderr());
  assert.match(bob.stdout(), /^hello\.service +node1 +running +ok/m);
  const refused = await laptop({ role: 'viewer', name: 'bob' });
  assert.equal(await refused.run('stop', 'hello.service'), 1);
  assert.match(refused.stderr(), /as viewer "bob": expected the role operator/);
});

test('a certificate that is not accepted is told of as the agent says it', async (t) => {
  const { laptop, terminalOf, tls } = await openRemote(t);
  const old = await laptop({ now: new Date(Date.now() - 7_200_000), lifetimeMs: 3_600_000 });
  assert.equal(await old.run('ps'), 1);
  assert.match(old.stderr(), /Cannot accept the certificate of "anna", it has expired/);
  const other = await makeTestPki('test');
  const stranger = await terminalOf({ ...(await other.issue()), ca: tls.pki.ca });
  assert.equal(await stranger.run('ps'), 1);
  assert.match(stranger.stderr(), /it is not signed by the CA of cluster "test"/);
});

test('an agent that can’t show itself to be a node of the cluster is not trusted, and sent nothing', async (t) => {
  const { tls, laptop, terminalOf } = await openRemote(t);
  const other = await makeTestPki('test');
  const doubting = await terminalOf({ ...(await tls.pki.issue()), ca: other.ca });
  assert.equal(await doubting.run('ps'), 1);
  assert.match(doubting.stderr(), /Cannot trust the agent at https:\/\/127.*expected a certificate of the CA/);
  const operators = await openTlsFixture(t, {});
  operators.listener.reload(await tls.pki.issue({ role: 'operator', name: 'mallory' }));
  const fooled = await terminalOf(await tls.pki.issue(), operators.url);
  assert.equal(await fooled.run('ps'), 1);
  assert.match(fooled.stderr(), /Cannot trust/);
  assert.deepEqual(operators.callers, []);
  const anna = await laptop();
  assert.equal(await anna.run('ps'), 0, anna.stderr());
});

test('an endpoint where nobody listens, or somebody else, is told of with what to look at', async (t) => {
  const { tls, terminalOf } = await openRemote(t);
  const nowhere = await terminalOf(await tls.pki.issue(), 'https://127.0.0.1:1');
  assert.equal(await nowhere.run('ps'), 1);
  assert.match(nowhere.stderr(), /Cannot reach the agent at https:\/\/127\.0\.0\.1:1: does its agent listen there/);
});
