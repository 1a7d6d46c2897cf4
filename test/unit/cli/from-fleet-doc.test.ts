import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commands } from '../../../src/cli/commands.ts';
import { findCommand } from '../../../src/cli/find-command.ts';
import { parseArguments } from '../../../src/cli/parse-arguments.ts';

const text = readFileSync(new URL('../../../docs/from-fleet.md', import.meta.url), 'utf8');
const lines = [...new Set([...text.matchAll(/`muster ([^`]+)`/g)].map(([, line]) => line ?? ''))];

test('docs/from-fleet.md names many commands of muster', () => assert.ok(lines.length > 20));

for (const line of lines) {
  test(`docs/from-fleet.md: "muster ${line}" is a command line that can be typed`, async () => {
    const found = findCommand(line.split(' '));
    if (found.kind !== 'command') return assert.fail(`muster ${line} is no command`);
    const command = await commands[found.path]();
    const isWhole = found.rest.length > 0 || command.args.every((arg) => arg.optional === true);
    if (isWhole) parseArguments(command, found.rest);
    return undefined;
  });
}

/** Those of fleetctl's commands that do something. */
const fleetctl =
  'list-machines list-units list-unit-files submit load start stop unload destroy restart cat status journal ssh';

test("docs/from-fleet.md has each of fleetctl's commands", () => {
  for (const command of fleetctl.split(' ')) assert.match(text, new RegExp(`\`fleetctl ${command} ?`), command);
});
