import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey, Slot } from '../../../src/domain/ids.ts';
import type { InstanceRow, LogEntry } from '../../../src/wire/answers.ts';
import type { Client } from '../../../src/wire/client.ts';
import { makeFakeTerminal, makeRow } from './fake-terminal.ts';

const entry = (second: number, text: string): LogEntry => ({
  at: `2026-01-01T00:00:0${second}Z`,
  stream: 'stdout',
  text,
});
const one = makeRow();
const two = makeRow({ slot: '1' as Slot });
const answer =
  (...rows: readonly InstanceRow[]) =>
  () =>
    Promise.resolve({ rows, problems: [] });

/** Logs by slot; asked: every query made. */
function makeLogs(written: Readonly<Record<string, readonly (LogEntry | Error)[]>>): {
  readonly asked: readonly unknown[];
  readonly logs: (this: void, ...query: Parameters<Client['logs']>) => ReturnType<Client['logs']>;
} {
  const asked: unknown[] = [];
  const read = async function* (query: Parameters<Client['logs']>[0]) {
    asked.push(query);
    for (const each of written[query.slot] ?? []) {
      await Promise.resolve();
      if (each instanceof Error) throw each;
      yield each;
    }
  };
  return { asked, logs: read };
}

test('muster logs prints the lines of one instance as they are', async () => {
  const { logs, asked } = makeLogs({ 0: [entry(1, 'a'), entry(2, '\u001b[31mred')] });
  const terminal = makeFakeTerminal({ client: { instances: answer(one), logs } });
  assert.equal(await terminal.run('logs', 'web', '-n', '5'), 0);
  assert.equal(terminal.stdout(), 'a\n\u001b[31mred\n');
  assert.deepEqual(asked, [{ workload: 'web', slot: '0', follow: false, tail: 5 }]);
});

test('muster logs merges instances by time, each line with the name of its own', async () => {
  const { logs } = makeLogs({ 0: [entry(1, 'a'), entry(4, 'd')], 1: [entry(2, 'b'), entry(3, 'c'), entry(5, 'e')] });
  const terminal = makeFakeTerminal({ client: { instances: answer(two, one), logs } });
  assert.equal(await terminal.run('logs', 'web', '-t'), 0);
  const lines = terminal.stdout().trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.at(-1)),
    ['a', 'b', 'c', 'd', 'e'],
  );
  assert.equal(lines[1], 'web.1 | 2026-01-01T00:00:02Z b');
});

test('muster logs -f begins with the last ten lines and puts what comes together in order', async () => {
  const { logs, asked } = makeLogs({ 0: [entry(1, 'a'), entry(3, 'c')], 1: [entry(2, 'b')] });
  const terminal = makeFakeTerminal({ client: { instances: answer(one, two), logs } });
  const code = terminal.run('logs', 'web', '-f', '--json');
  await terminal.clock.advance(200);
  assert.equal(await code, 0);
  const values = terminal
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { instance: string; text: string });
  assert.deepEqual(
    values.map(({ text }) => text),
    ['a', 'b', 'c'],
  );
  assert.equal(values[1]?.instance, 'web.1');
  assert.deepEqual(asked[0], { workload: 'web', slot: '0', follow: true, tail: 10 });
});

test('muster logs says which logs it cannot show, shows the others, and fails', async () => {
  for (const flags of [[], ['-f']]) {
    const elsewhere = new AgentError('CONFLICT', 'it runs on node2');
    const { logs } = makeLogs({ 0: [elsewhere], 1: [entry(2, 'b')] });
    const terminal = makeFakeTerminal({ client: { instances: answer(one, two), logs } });
    const code = terminal.run('logs', 'web', ...flags);
    await terminal.clock.advance(200);
    assert.equal(await code, 1);
    assert.equal(terminal.stdout(), 'web.1 | b\n');
    assert.match(terminal.stderr(), /^muster: Cannot show the log of "web\.0": it runs on node2\n/);
  }
});

test('muster logs of what is on no node says so', async () => {
  const { node: _, ...unplaced } = makeRow({ key: 'web/0' as InstanceKey, phase: 'pending' });
  const terminal = makeFakeTerminal({ client: { instances: answer(unplaced) } });
  assert.equal(await terminal.run('logs', 'web'), 1);
  assert.match(terminal.stderr(), /expected it to be on a node, it is on none/);
});
