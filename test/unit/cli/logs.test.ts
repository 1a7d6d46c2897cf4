import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { Slot } from '../../../src/domain/ids.ts';
import type { InstanceRow } from '../../../src/wire/answers.ts';
import type { Client } from '../../../src/wire/client.ts';
import type { LogEntry } from '../../../src/wire/log-answers.ts';
import { eventually } from '../../support/eventually.ts';
import { makeFakeTerminal, makeRow, notFound } from './fake-terminal.ts';

const entry = (second: number, text: string, instance = 'web.0'): LogEntry => {
  const at = `2026-01-01T00:00:0${second}Z`;
  return { at, kind: 'line', stream: 'stdout', text, instance, node: 'node1' };
};
const notice: LogEntry = {
  at: '2026-01-01T00:00:03Z',
  kind: 'notice',
  text: 'Cannot reach node2',
  instance: 'web.1',
  node: 'node2',
  code: 'UNAVAILABLE',
};
const one = makeRow();
const two = makeRow({ slot: '1' as Slot });
const answer =
  (...rows: readonly InstanceRow[]) =>
  () =>
    Promise.resolve({ rows, problems: [] });

/** A stream of logs; asked: every query made. */
function makeLogs(written: readonly (LogEntry | Error)[]) {
  const asked: unknown[] = [];
  const logs: Client['logs'] = async function* (query) {
    asked.push(query);
    for (const each of written) {
      await Promise.resolve();
      if (each instanceof Error) throw each;
      yield [each];
    }
  };
  return { asked, logs };
}

test('muster logs prints the lines of one instance as they are', async () => {
  const { logs, asked } = makeLogs([entry(1, 'a'), entry(2, '\u001b[31mred')]);
  const terminal = makeFakeTerminal({ client: { instances: answer(one), logs } });
  assert.equal(await terminal.run('logs', 'web.0', '-n', '5', '--since', '10m'), 0);
  assert.equal(terminal.stdout(), 'a\n\u001b[31mred\n');
  assert.deepEqual(asked, [{ workload: 'web', slot: '0', follow: false, tail: 5, since: '10m' }]);
});

test('muster logs of a workload asks for all its instances and names each before its lines', async () => {
  const { logs, asked } = makeLogs([entry(1, 'a'), entry(2, 'b', 'web.1')]);
  const terminal = makeFakeTerminal({ client: { instances: answer(two, one), logs } });
  assert.equal(await terminal.run('logs', 'web', '-t'), 0);
  assert.equal(terminal.stdout(), 'web.0 | 2026-01-01T00:00:01Z a\nweb.1 | 2026-01-01T00:00:02Z b\n');
  assert.deepEqual(asked, [{ workload: 'web', follow: false }]);
});

test('muster logs begins to name instances when a second one comes', async () => {
  const { logs } = makeLogs([entry(1, 'a'), entry(2, 'b', 'web.10'), entry(3, 'c')]);
  const terminal = makeFakeTerminal({ client: { instances: answer(one), logs } });
  assert.equal(await terminal.run('logs', 'web'), 0);
  assert.equal(terminal.stdout(), 'a\nweb.10 | b\nweb.0  | c\n');
});

test('muster logs -f begins with the last ten lines, or with all since a time', async () => {
  const { logs, asked } = makeLogs([entry(1, 'a')]);
  const terminal = makeFakeTerminal({ client: { instances: answer(one), logs } });
  assert.equal(await terminal.run('logs', 'web.0', '-f', '--json'), 0);
  assert.deepEqual(JSON.parse(terminal.stdout()), entry(1, 'a'));
  assert.equal(await terminal.run('logs', 'web.0', '-f', '--since', '1h'), 0);
  assert.deepEqual(asked, [
    { workload: 'web', slot: '0', follow: true, tail: 10 },
    { workload: 'web', slot: '0', follow: true, since: '1h' },
  ]);
});

test('muster logs says on standard error what it cannot show, shows the others, and fails', async () => {
  const { logs } = makeLogs([entry(1, 'a'), notice, entry(4, 'd')]);
  const client = { instances: answer(one, two), logs };
  const terminal = makeFakeTerminal({ client });
  assert.equal(await terminal.run('logs', 'web'), 1);
  assert.equal(terminal.stdout(), 'web.0 | a\nweb.0 | d\n');
  assert.equal(terminal.stderr(), 'muster: node2: Cannot reach node2\n');
  const programs = makeFakeTerminal({ client });
  assert.equal(await programs.run('logs', 'web', '--json'), 1);
  assert.deepEqual(
    programs
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [entry(1, 'a'), notice, entry(4, 'd')],
  );
});

test('muster logs shows all lines that come together with a notice', async () => {
  const logs: Client['logs'] = async function* () {
    await Promise.resolve();
    yield [entry(1, 'a'), entry(2, 'b', 'web.1'), notice, entry(4, 'd')];
  };
  const terminal = makeFakeTerminal({ client: { instances: answer(one, two), logs } });
  assert.equal(await terminal.run('logs', 'web'), 1);
  assert.equal(terminal.stdout(), 'web.0 | a\nweb.1 | b\nweb.0 | d\n');
  assert.equal(terminal.stderr(), 'muster: node2: Cannot reach node2\n');
});

test('muster logs prints what came before an error, and then the error', async () => {
  const { logs } = makeLogs([entry(1, 'a'), new AgentError('CONFLICT', 'it runs on node2')]);
  const terminal = makeFakeTerminal({ client: { instances: answer(one), logs } });
  assert.equal(await terminal.run('logs', 'web.0'), 1);
  assert.equal(terminal.stdout(), 'a\n');
  assert.match(terminal.stderr(), /^muster: it runs on node2\n/);
});

test('muster logs shows a line soon, also when no other follows', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const logs: Client['logs'] = async function* () {
    yield [entry(1, 'a')];
    await promise;
  };
  const terminal = makeFakeTerminal({ client: { instances: answer(one), logs } });
  const code = terminal.run('logs', 'web.0', '-f');
  await eventually('the line', 2_000, async () => {
    await terminal.clock.advance(2);
    return terminal.stdout() === 'a\n';
  });
  resolve();
  assert.equal(await code, 0);
});

test('muster logs of an unknown name suggests the near one', async () => {
  const client = {
    instances: (filter: object) => ('name' in filter ? notFound() : answer(one)()),
    workloads: () => Promise.resolve({ workloads: [], problems: [] }),
  };
  const terminal = makeFakeTerminal({ client });
  assert.equal(await terminal.run('logs', 'web.9'), 1);
  assert.match(terminal.stderr(), /did you mean "web\.0"\?/);
});
