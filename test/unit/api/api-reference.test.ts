import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { renderApiReference } from '../../../scripts/lib/api-reference.ts';
import { documentedRoutes, routeKey } from '../../../scripts/lib/open-api.ts';

test('docs/api.md is made of the routes and their schemas', () => {
  const committed = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');
  assert.equal(committed, renderApiReference(), 'make it again: node scripts/docs.ts');
});

test('docs/api.md tells of each route once', () => {
  const lines = renderApiReference().split('\n');
  for (const route of documentedRoutes) {
    assert.equal(lines.filter((line) => line.startsWith(`**\`${routeKey(route)}\`**`)).length, 1, routeKey(route));
  }
});
