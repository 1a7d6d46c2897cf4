import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { globalOptions } from '../../../src/cli/command.ts';
import { type CommandPath, commandPaths, commands } from '../../../src/cli/commands.ts';
import { loadCommands } from '../../../src/cli/help.ts';
import { parseArguments } from '../../../src/cli/parse-arguments.ts';
import { renderReference } from '../../../src/cli/reference.ts';

const all = await loadCommands(commandPaths);
const root = new URL('../../../', import.meta.url);

test('docs/cli.md is what "muster help --markdown" prints', () => {
  const documented = readFileSync(new URL('docs/cli.md', root), 'utf8');
  assert.ok(documented === renderReference(all), 'docs/cli.md is old, make it again: muster help --markdown');
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
      const words = line.replace(/ <.*$/, '').split(' ');
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
