import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { aliases } from '../../../src/cli/aliases.ts';
import { globalOptions } from '../../../src/cli/command.ts';
import { type CommandPath, commandPaths, commands } from '../../../src/cli/commands.ts';
import { findCommand } from '../../../src/cli/find-command.ts';
import { loadCommands } from '../../../src/cli/help.ts';
import { renderManPage } from '../../../src/cli/man-page.ts';
import { parseArguments } from '../../../src/cli/parse-arguments.ts';
import { renderReference } from '../../../src/cli/reference.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

const all = await loadCommands(commandPaths);
const root = new URL('../../../', import.meta.url);

test('docs/cli.md is what "muster help --markdown" prints', () => {
  const documented = readFileSync(new URL('docs/cli.md', root), 'utf8');
  assert.ok(documented === renderReference(all), 'docs/cli.md is old, make it again: muster help --markdown');
});

test('docs/muster.1 is what "muster help --man" prints', () => {
  const page = readFileSync(new URL('docs/muster.1', root), 'utf8');
  assert.ok(page === renderManPage(all), 'docs/muster.1 is old, make it again: muster help --man');
});

const groff = spawnSync('groff', ['--version']).status === 0;
test('groff sets the man page without a warning', { skip: groff ? false : 'lacks groff (Debian: groff-base)' }, () => {
  const set = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-rLL=78n'], {
    input: renderManPage(all),
    encoding: 'utf8',
  });
  assert.deepEqual([set.status, set.stderr], [0, '']);
  for (const { path } of all) assert.ok(set.stdout.includes(path.split(' ').at(-1) ?? ''), path);
});

const mandoc = spawnSync('mandoc', ['-T', 'lint', '/dev/null']).error === undefined;
test('mandoc finds no error in the man page', { skip: mandoc ? false : 'lacks mandoc (Debian: mandoc)' }, () => {
  const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'error'], { input: renderManPage(all), encoding: 'utf8' });
  assert.deepEqual([lint.status, lint.stdout], [0, '']);
});

test('every other word for a command calls one, and is no command itself', async () => {
  for (const [alias, path] of Object.entries(aliases)) {
    assert.ok(!(commandPaths as readonly string[]).includes(alias), alias);
    assert.deepEqual(findCommand([...alias.split(' '), 'x']), { kind: 'command', path, rest: ['x'] });
  }
  const terminal = makeFakeTerminal({ client: { workloads: () => Promise.resolve({ workloads: [], problems: [] }) } });
  assert.equal(await terminal.run('workload', 'ls'), 0);
  assert.match(terminal.stdout(), /^No workloads/);
  assert.equal(await terminal.run('workload', 'lz'), 2);
  assert.match(terminal.stderr(), /did you mean "muster workload ls"/);
});

test('every file of commands is in the table, and each command has the words it is found by', async () => {
  const files = readdirSync(new URL('src/cli/commands/', root)).map((name) => name.replace(/\.ts$/, ''));
  assert.deepEqual(files.sort(), commandPaths.map((path) => path.replaceAll(' ', '-')).sort());
  for (const path of Object.keys(commands) as CommandPath[]) assert.equal((await commands[path]()).path, path);
});

test('every command has an example, and each example is a command line that it takes', () => {
  for (const command of all) {
    assert.ok(command.examples.length > 0, command.path);
    for (const { line } of command.examples) {
      const words = line.replace(/ [<>].*$/, '').split(' ');
      const own = command.path.split(' ');
      assert.deepEqual(words.slice(0, own.length + 1), ['muster', ...own], line);
      assert.doesNotThrow(() => parseArguments(command, words.slice(own.length + 1)), line);
    }
  }
});

test('no command has an option of every command, or one short form twice', () => {
  for (const command of all) {
    const options = { ...command.options, ...globalOptions };
    assert.equal(
      Object.keys(options).length,
      Object.keys(command.options).length + Object.keys(globalOptions).length,
      command.path,
    );
    const shorts = Object.values(options).flatMap((option) => ('short' in option ? [option.short] : []));
    assert.equal(new Set(shorts).size, shorts.length, command.path);
  }
});
