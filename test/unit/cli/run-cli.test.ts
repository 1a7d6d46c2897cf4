import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

const misuses: [name: string, argv: string[], stderr: RegExp][] = [
  ['a mistyped command', ['aply'], /no such command\n {2}hint: did you mean "muster apply"\?/],
  ['a mistyped verb of a group', ['node', 'lss'], /did you mean "muster node ls"\?/],
  ['a word that is like none', ['xyzzyx'], /hint: muster help lists the commands/],
  ['a group without its verb', ['node'], /usage: muster node COMMAND/],
  ['no command at all', [], /usage: muster COMMAND/],
  ['a mistyped option', ['logs', 'web', '--folow'], /has no such option\n {2}hint: did you mean --follow\?/],
  ['an unknown short option', ['ps', '-z'], /Cannot use option "-z"/],
  ['a missing argument', ['logs'], /expected NAME.*\n {2}hint: usage: muster logs NAME/],
  ['an argument too many', ['logs', 'web', 'db'], /expected nothing after "web", got "db"/],
  ['an option without its value', ['logs', 'web', '-n'], /Cannot read "-n": expected a value/],
  ['an option where a value should be', ['logs', 'web', '-n', '-f'], /Cannot read "-n": expected a value/],
  ['a value for a flag', ['logs', 'web', '--follow=yes'], /expected no value/],
  ['a number that is none', ['logs', 'web', '-n', 'ten'], /Cannot read --tail "ten"/],
  ['a duration that is none', ['stop', 'web', '--timeout', 'soon'], /Cannot read --timeout "soon"/],
  ['a wait for nothing', ['wait'], /hint: muster wait --joined/],
  ['a name for a file', ['apply', '--name', 'a.service', 'b.service'], /Cannot use --name/],
];
for (const [name, argv, stderr] of misuses) {
  test(`runCli() ends with 2 and prints nothing to stdout for ${name}`, async () => {
    const terminal = makeFakeTerminal();
    assert.equal(await terminal.run(...argv), 2);
    assert.match(terminal.stderr(), stderr);
    assert.equal(terminal.stdout(), '');
  });
}

test('runCli() shows help on stdout when it is asked for', async () => {
  for (const argv of [['--help'], ['help'], ['node', '--help'], ['help', 'node']]) {
    const terminal = makeFakeTerminal();
    assert.equal(await terminal.run(...argv), 0, argv.join(' '));
    assert.match(terminal.stdout(), /node ls/, argv.join(' '));
  }
});

test("runCli() shows a command's help although its arguments are missing", async () => {
  for (const argv of [
    ['logs', '-h'],
    ['--help', 'logs'],
    ['help', 'logs'],
  ]) {
    const terminal = makeFakeTerminal();
    assert.equal(await terminal.run(...argv), 0);
    assert.match(
      terminal.stdout(),
      /usage: muster logs NAME \[options\][\s\S]*-f, --follow[\s\S]*--socket PATH[\s\S]*Examples:/,
    );
  }
});

test('runCli() takes options of every command before and after its words', async () => {
  const terminal = makeFakeTerminal();
  assert.equal(await terminal.run('--json', 'version'), 0);
  assert.equal(await terminal.run('version', '--json'), 0);
  const answer = '{\n  "apiVersion": "v1",\n  "version": "1.2.3",\n  "commit": "abc"\n}\n';
  assert.equal(terminal.stdout(), answer.repeat(2));
});

test('runCli() opens the socket of the option, else of the environment, else the usual one', async () => {
  const nodes = () => Promise.resolve({ nodes: [], problems: [] });
  const terminal = makeFakeTerminal({ client: { nodes }, env: { MUSTER_SOCKET: '/env.sock' } });
  await terminal.run('--socket', '/a.sock', 'node', 'ls');
  await terminal.run('node', 'ls', '--socket=/b.sock');
  await terminal.run('node', 'ls');
  assert.deepEqual(terminal.sockets, ['/a.sock', '/b.sock', '/env.sock']);
  const plain = makeFakeTerminal({ client: { nodes } });
  await plain.run('node', 'ls');
  assert.deepEqual(plain.sockets, ['/run/muster/muster.sock']);
});

test('runCli() prints an error as one line with a hint, and its stack only with MUSTER_DEBUG', async () => {
  const nodes = () =>
    Promise.reject(new AgentError('UNAVAILABLE', 'Cannot reach it', { cause: new Error('connect\n\u001b[31mENOENT') }));
  const terminal = makeFakeTerminal({ client: { nodes } });
  assert.equal(await terminal.run('node', 'ls'), 1);
  assert.equal(
    terminal.stderr(),
    'muster: Cannot reach it: connect [31mENOENT\n  hint: systemctl status muster tells how the agent is\n',
  );
  const debug = makeFakeTerminal({ client: { nodes }, env: { MUSTER_DEBUG: '1' } });
  assert.equal(await debug.run('node', 'ls'), 1);
  assert.match(debug.stderr(), /code: UNAVAILABLE\nAgentError: Cannot reach it\n {4}at /);
});

test('runCli() throws what aborted it, untouched', async () => {
  const reason = new Error('told to end');
  const terminal = makeFakeTerminal({ client: { nodes: () => new Promise((_, reject) => reject(reason)) } });
  terminal.abort(reason);
  await assert.rejects(terminal.run('node', 'ls'), reason);
  assert.equal(terminal.stderr(), '');
});

test('muster agent hands over its configuration file, its flags and nothing else', async () => {
  const terminal = makeFakeTerminal({ env: { MUSTER_CONFIG: '/env.yaml' } });
  assert.equal(
    await terminal.run('agent', '--cluster', 'demo', '--leader=false', '--check', '--log-level', 'debug'),
    0,
  );
  assert.equal(await terminal.run('agent', '--config', '/a.yaml', '--labels', 'zone=a'), 0);
  assert.deepEqual(terminal.starts, [
    { configPath: '/env.yaml', flags: { cluster: 'demo', leader: 'false', 'log-level': 'debug' }, check: true },
    { configPath: '/a.yaml', flags: { labels: 'zone=a' }, check: false },
  ]);
  assert.equal(await terminal.run('agent', 'demo'), 2);
});

test('muster agent refuses short options that it does not have', async () => {
  const terminal = makeFakeTerminal();
  assert.equal(await terminal.run('agent', '-c', 'demo'), 2);
  assert.deepEqual(terminal.starts, []);
});
