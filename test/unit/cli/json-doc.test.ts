import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandPaths } from '../../../src/cli/commands.ts';
import { jsonVersion } from '../../../src/cli/print-answer.ts';
import { workloadCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import type { Client } from '../../../src/wire/client.ts';
import { namedSchemas } from '../../../src/wire/route-schemas.ts';
import { addLeader, addNode, assign, layout, node1, openFixture, report } from '../api/api-fixture.ts';
import { makeWorkload } from '../plan/plan-cluster-world.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

const page = readFileSync(new URL('../../../docs/json.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| (`.+?`) \| (.+) \|$/gm)].map(([, names = '', shape = '']) => ({
  commands: [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  shape,
}));

/** They print text alone: an agent's log, a script, a terminal's bytes. */
const withoutJson = ['agent', 'completion', 'exec', 'help'];

test('docs/json.md says of every command what it prints', () => {
  const told = rows.flatMap(({ commands }) => commands);
  assert.equal(new Set(told).size, told.length, 'no command twice');
  const missing = commandPaths.filter((path) => !withoutJson.includes(path) && !told.includes(path));
  assert.deepEqual(missing, []);
});

test('docs/json.md names shapes and routes that there are', () => {
  const api = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');
  for (const { shape } of rows) {
    for (const [, name = ''] of shape.matchAll(/\b([A-Z][a-z]+(?:[A-Z][a-z]+)*)\b(?=[,);|]| or| has|$)/g))
      if (!['Also', 'NDJSON'].includes(name)) assert.ok(Object.hasOwn(namedSchemas, name), name);
    for (const [, route = ''] of shape.matchAll(/`((?:GET|POST|DELETE) [^`]+)`/g))
      assert.ok(api.includes(route), route);
  }
});

/** Commands and the answer of the API that they hand on. */
const handedOn: [argv: string[], ask: (client: Client, signal: AbortSignal) => Promise<object>][] = [
  [['ls'], (client, signal) => client.workloads({}, signal)],
  [['ps'], (client, signal) => client.instances({}, signal)],
  [['ps', 'web.0'], (client, signal) => client.instances({ name: 'web.0' }, signal)],
  [['node', 'ls'], (client, signal) => client.nodes({}, signal)],
  [['node', 'inspect', 'node1'], (client, signal) => client.inspectNode('node1', signal)],
  [['explain', 'web'], (client, signal) => client.explain('web', signal)],
  [
    ['inspect', 'web'],
    async (client, signal) => ({ kind: 'workload', workload: await client.workload('web', signal) }),
  ],
];
for (const [argv, ask] of handedOn) {
  test(`muster ${argv.join(' ')} --json hands on what the API answers, with the version of its shape`, async (t) => {
    const fixture = await openFixture(t);
    await addNode(fixture, node1, 'node1');
    await addLeader(fixture, node1);
    await fixture.put(layout.workload('web' as WorkloadName), workloadCodec.encode(makeWorkload()));
    await assign(fixture, node1, 'web/0' as InstanceKey);
    await report(fixture, node1, 'web/0' as InstanceKey, {});
    const terminal = makeFakeTerminal({ client: fixture.client });
    const expected = await ask(fixture.client, t.signal);
    assert.equal(await terminal.run(...argv, '--json'), 0, terminal.stderr());
    assert.deepEqual(JSON.parse(terminal.stdout()), { apiVersion: jsonVersion, ...expected });
  });
}
