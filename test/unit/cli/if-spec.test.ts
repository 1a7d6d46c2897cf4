import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { workloadCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import { addNode, assign, type Fixture, layout, makeDocument, node1, openFixture, report } from '../api/api-fixture.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

/** `--if-spec` against the API itself. */

const web = 'web.service' as WorkloadName;
const unitText = '[Service]\nExecStart=/bin/sleep infinity\n';

interface Place {
  readonly fixture: Fixture;
  /** The numbers of the first spec and of the present one. */
  readonly old: number;
  readonly spec: number;
  readonly run: (...argv: readonly string[]) => Promise<{ code: number; stdout: string; stderr: string }>;
  readonly record: () => string;
}

async function openPlace(t: TestContext): Promise<Place> {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  const { spec: old } = await fixture.client.apply(makeDocument(web), t.signal);
  const run = { kind: 'unit', text: unitText } as const;
  const { spec } = await fixture.client.apply(makeDocument(web, { run }), t.signal);
  const key = `${web}/0` as InstanceKey;
  await report(fixture, node1, key, { spec, assignmentRevision: await assign(fixture, node1, key, { spec }) });
  return {
    fixture,
    old,
    spec,
    run: async (...argv) => {
      const terminal = makeFakeTerminal({ client: fixture.client, stdin: unitText });
      const code = await terminal.run(...argv, '--no-wait');
      return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
    },
    record: () => fixture.store.get(layout.workload(web))?.value ?? '',
  };
}

const lines: readonly (readonly string[])[] = [
  ['apply', '-', '--name', web],
  ['restart', web],
  ['scale', `${web}=3`],
  ['rollback', web],
  ['stop', web],
  ['start', web],
  ['rm', web],
];
for (const line of lines) {
  test(`muster ${line.join(' ')} --if-spec changes nothing but that spec, and exits 1 where another is there`, async (t) => {
    const { old, spec, run, record } = await openPlace(t);
    const before = record();
    const refused = await run(...line, '--if-spec', String(old));
    assert.equal(refused.code, 1);
    assert.ok(refused.stderr.includes(`Cannot change "${web}", spec ${spec} is there since `), refused.stderr);
    assert.ok(refused.stderr.includes(`: expected spec ${old}\n  hint: nothing was changed; `), refused.stderr);
    assert.equal(record(), before);
    const done = await run(...line, '--if-spec', String(spec));
    assert.equal(done.code, 0, done.stderr);
    assert.ok(done.stdout.startsWith(`${web}: `), done.stdout);
  });
}

test('muster restart of one instance goes by the spec of its workload', async (t) => {
  const { fixture, old, spec } = await openPlace(t);
  await fixture.client.apply(makeDocument('db', { scale: { kind: 'replicas', replicas: 2 } }), t.signal);
  const { spec: present } = (await fixture.client.workload('db', t.signal)).workload;
  const restart = async (ifSpec: number) =>
    makeFakeTerminal({ client: fixture.client }).run('restart', 'db.1', '--no-wait', '--if-spec', String(ifSpec));
  await assign(fixture, node1, 'db/1' as InstanceKey, { spec: present });
  assert.notEqual(present, old);
  assert.equal(await restart(spec), 1);
  assert.equal(await restart(present), 0);
  const record = fixture.store.get(layout.workload('db' as WorkloadName))?.value ?? '';
  assert.deepEqual(Object.keys(workloadCodec.decode(record, 'db').restart?.slots ?? {}), ['1']);
});

test('muster apply --if-spec none makes what is not there and leaves what is; any does the reverse', async (t) => {
  const { run, record } = await openPlace(t);
  const before = record();
  const kept = await run('apply', '-', '--name', web, '--if-spec', 'none');
  assert.equal(kept.code, 1);
  assert.match(kept.stderr, /expected no workload of that name/);
  assert.equal(record(), before);
  assert.equal((await run('apply', '-', '--name', 'new.service', '--if-spec', 'any')).code, 1);
  assert.equal((await run('apply', '-', '--name', 'new.service', '--if-spec', 'none')).code, 0);
  assert.equal((await run('apply', '-', '--name', 'new.service', '--if-spec', 'any')).code, 0);
});

const misused: readonly (readonly [argv: readonly string[], says: RegExp])[] = [
  [['stop', 'web', 'db', '--if-spec', '3'], /Cannot use --if-spec 3 with 2 workloads: expected one/],
  [['scale', 'web=1', 'db=2', '--if-spec', '3'], /with 2 workloads/],
  [['stop', 'web', '--if-spec', 'none'], /Cannot read --if-spec "none": expected a spec's number, as 12\n/],
  [['rm', 'web', '--if-spec', '0'], /Cannot read --if-spec "0"/],
  [['apply', '-', '--name', 'a.service', '--if-spec', '"3"'], /expected a spec's number, as 12, or any, or none/],
];
for (const [argv, says] of misused) {
  test(`muster ${argv.join(' ')} is misuse, and asks for nothing`, async () => {
    const terminal = makeFakeTerminal({ client: {}, stdin: unitText });
    assert.equal(await terminal.run(...argv), 2);
    assert.match(terminal.stderr(), says);
  });
}
