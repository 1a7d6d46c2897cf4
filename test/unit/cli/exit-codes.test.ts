import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, exitCodes } from '../../../src/cli/command.ts';
import { commandPaths } from '../../../src/cli/commands.ts';
import { exitCodeTexts } from '../../../src/cli/common-facts.ts';
import { loadCommands } from '../../../src/cli/help.ts';
import type { Machine } from '../../../src/cli/machine.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { type Client, openClient } from '../../../src/wire/client.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

const all = await loadCommands(commandPaths);

test('every exit code is documented, and none that does not exist', () => {
  const documented = exitCodeTexts.map(([code]) => code).filter((code) => /^\d$/.test(code));
  assert.deepEqual(documented, Object.values(exitCodes).map(String));
});

for (const { path, args } of all) {
  test(`muster ${path} ends with 2 for an option that it does not have, and says nothing on stdout`, async () => {
    const terminal = makeFakeTerminal();
    assert.equal(await terminal.run(...path.split(' '), '-Z'), exitCodes.misuse);
    assert.equal(terminal.stdout(), '');
    assert.match(terminal.stderr(), /^muster: Cannot use option "-Z"/);
  });

  const needed = args.find(({ optional }) => optional !== true);
  if (needed !== undefined) {
    test(`muster ${path} ends with 2 without ${needed.name}`, async () => {
      const terminal = makeFakeTerminal();
      assert.equal(await terminal.run(...path.split(' ')), exitCodes.misuse);
      assert.match(terminal.stderr(), new RegExp(`expected ${needed.name}`));
    });
  }
}

/** Whatever it is asked, it can't be reached. */
function makeAbsent(): Client {
  const fail = () => {
    const error = new AgentError('UNAVAILABLE', 'Cannot reach the agent');
    const answer = Promise.reject(error);
    answer.catch(() => {});
    return Object.assign(answer, { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) });
  };
  const client = openClient({ socketPath: '/nonexistent' });
  return Object.fromEntries(
    Object.keys(client).map((name) => [name, name === 'close' ? () => {} : fail]),
  ) as unknown as Client;
}

const machine: Machine = {
  config: () =>
    Promise.resolve({ path: '/a.yaml', rows: [], isNewerThanAgent: false, problem: 'Cannot start with it' }),
  diagnose: () => Promise.resolve([{ check: 'clock', level: 'fail', found: 'stands still' }]),
};

/** Commands that ask no agent: they are tested where they are. */
const asksNobody = /^(agent|completion|help|version|wait|pki .*|context .*)$/;

/** A line of its examples that ends by itself. */
function typicalLine({ path, examples }: Command): readonly string[] {
  const line = examples.find(({ line }) => !/ -f\b| --follow| --watch/.test(line))?.line ?? `muster ${path}`;
  return line
    .replace(/ [<>].*$/, '')
    .split(' ')
    .slice(1);
}

for (const command of all.filter(({ path }) => !asksNobody.test(path))) {
  test(`muster ${command.path} ends with 1 and says why when the agent is away, or what it looks at is not well`, async () => {
    const terminal = makeFakeTerminal({ client: makeAbsent(), machine, stdin: '[Service]\nExecStart=/bin/true\n' });
    assert.equal(await terminal.run(...typicalLine(command)), exitCodes.failed);
    assert.match(
      terminal.stderr() + terminal.stdout(),
      /Cannot reach the agent|Cannot start with it|stands still|Cannot read/,
    );
  });
}

test('muster wait ends with 3 when the node has not joined in time', async () => {
  const terminal = makeFakeTerminal({ client: makeAbsent() });
  const ended = terminal.run('wait', '--joined', '--timeout', '1s');
  for (let at = 0; at < 20; at += 1) await terminal.clock.advance(100);
  assert.equal(await ended, exitCodes.notConverged);
});
