import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EVENT_TYPES } from '../../../src/domain/event.ts';

test('docs/nodes.md has every type of event, and no other', () => {
  const text = readFileSync(new URL('../../../docs/nodes.md', import.meta.url), 'utf8');
  const table = text.slice(text.indexOf('| type | is told when |'));
  const documented = table.split('\n').flatMap((line) => {
    const types = [...(line.split('|')[1] ?? '').matchAll(/`([a-z.-]+)`/g)].map(([, type]) => type ?? '');
    const subject = types[0]?.split('.')[0] ?? '';
    return types.map((type) => (type.startsWith('.') ? subject + type : type));
  });
  assert.deepEqual(documented.toSorted(), [...EVENT_TYPES].sort());
});
