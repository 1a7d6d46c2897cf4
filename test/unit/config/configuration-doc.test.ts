import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { environmentName, flagName, settings } from '../../../src/config/settings.ts';

test('docs/configuration.md lists every key with its meaning, what is expected, its variable and its flag', async () => {
  const text = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  const expected = Object.values(settings).map(({ path }) => path);
  assert.deepEqual(
    rows.map((row) => /^\| `([^`]+)`/.exec(row)?.[1]),
    expected,
  );
  for (const { path, summary, expected: form } of Object.values(settings)) {
    const row = rows.find((line) => line.startsWith(`| \`${path}\``)) ?? '';
    for (const part of [summary, form, environmentName(path), `--${flagName(path)}`])
      assert.ok(row.includes(part), `${path}: ${part}`);
  }
});
