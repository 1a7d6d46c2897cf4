import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commands } from '../../../src/cli/commands.ts';
import { findCommand } from '../../../src/cli/find-command.ts';
import { parseArguments } from '../../../src/cli/parse-arguments.ts';
import { questions } from '../../lab/operations-page.ts';

const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const typed = [...page.matchAll(/^\$ (.+)$/gm)].map(([, line = '']) => line);

test('docs/operations.md has every question that is asked at night, each with what its command really printed', () => {
  for (const { title, lines } of questions) {
    assert.ok(page.includes(`\n## ${title}\n`), title);
    for (const line of lines)
      assert.match(page, new RegExp(`^\\$ ${line}\\n\\S`, 'm'), `"${line}" has printed nothing`);
  }
  assert.deepEqual(
    typed,
    questions.flatMap(({ lines }) => lines),
    'run test/lab/write-operations.ts again',
  );
});

test('every command line in docs/operations.md is one that muster takes', async () => {
  const inText = [...page.matchAll(/`(muster [^`]+)`/g)].map(([, line = '']) => line);
  for (const line of [...typed, ...inText]) {
    const found = findCommand(line.split(' ').slice(1));
    assert.equal(found.kind, 'command', line);
    if (found.kind === 'command') parseArguments(await commands[found.path](), found.rest);
  }
});
