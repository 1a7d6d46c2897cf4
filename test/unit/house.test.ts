import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findBareSuppressions, findCycles, findForbiddenImports, findImports, findLongFiles, house } from './house.ts';

const folder = join(import.meta.dirname, '..', '..', 'src');
const sources = new Map(
  globSync('**/*.ts', { cwd: folder })
    .sort()
    .map((path) => [path, readFileSync(join(folder, path), 'utf8')]),
);
const tree = (files: Record<string, string>) => new Map(Object.entries(files));

test('src has no import that the house does not allow', () => {
  assert.deepEqual(findForbiddenImports(sources), []);
});

test('src has no files that import each other', () => {
  assert.deepEqual(findCycles(sources), []);
});

test('src switches no check off without a reason', () => {
  assert.deepEqual(findBareSuppressions(sources), []);
});

test('src has no file over 300 lines', () => {
  assert.deepEqual(findLongFiles(sources), []);
});

test('the house allows only rooms that it has, and no two rooms each other', () => {
  for (const [room, { rooms }] of Object.entries(house)) {
    for (const other of rooms) {
      const row = house[other] ?? house[other.replace(/\/[^/]+$/, '')]; // one file of a room counts as part of it
      assert.ok(row, `${room} names "${other}", which is no room`);
      assert.ok(!row.rooms.includes(room) || other.includes('/'), `${room} and ${other} may import each other`);
    }
  }
});

const forms: [name: string, text: string, expected: string[]][] = [
  ['a value', `import { a } from './a.ts';`, ['./a.ts']],
  ['a type', `import type { A } from './a.ts';`, ['./a.ts']],
  ['several lines', `import {\n  a,\n  b,\n} from './a.ts';`, ['./a.ts']],
  ['a side effect', `import './a.ts';`, ['./a.ts']],
  ['a re-export', `export { a } from './a.ts';`, ['./a.ts']],
  ['a lazy import', `const { a } = await import('./a.ts');`, ['./a.ts']],
  ['a type in place', `type A = import('./a.ts').A;`, ['./a.ts']],
  ['not a comment', ` * import { a } from './a.ts';\nexport const b = 1;`, []],
];
for (const [name, text, expected] of forms) {
  test(`findImports() sees ${name}`, () => {
    assert.deepEqual(findImports(text), expected);
  });
}

const edges: [name: string, files: Record<string, string>, expected: string[]][] = [
  ['accepts a room below', { 'plan/a.ts': `import { b } from '../domain/b.ts';` }, []],
  ['accepts the port of another room', { 'node/a.ts': `import type { B } from '../runtime/port.ts';` }, []],
  [
    'refuses another room behind its port',
    { 'cluster/a.ts': `import type { B } from '../etcd/open-kv.ts';` },
    ['cluster/a.ts: cluster may not import etcd/open-kv.ts'],
  ],
  [
    'refuses a room above, even its types',
    { 'domain/a.ts': `import type { B } from '../plan/b.ts';` },
    ['domain/a.ts: domain may not import plan/b.ts'],
  ],
  [
    'refuses the neighbour',
    { 'runtime/docker/a.ts': `import { b } from '../systemd/b.ts';` },
    ['runtime/docker/a.ts: runtime/docker may not import runtime/systemd/b.ts'],
  ],
  [
    'refuses a library that is another room’s',
    { 'cli/a.ts': `import { Hono } from 'hono/tiny';`, 'api/a.ts': `import { Hono } from 'hono/tiny';` },
    ['cli/a.ts: cli may not import the library hono/tiny'],
  ],
  [
    'refuses Node in a pure room',
    { 'plan/a.ts': `import { join } from 'node:path';`, 'cli/a.ts': `import { join } from 'node:path';` },
    ['plan/a.ts: plan may not import node:path'],
  ],
  ['refuses a file outside every room', { 'utils/a.ts': '' }, ['utils/a.ts: is in no room']],
  [
    'refuses to leave src',
    { 'cli/a.ts': `import { a } from '../../test/support/a.ts';` },
    ['cli/a.ts: ../../test/support/a.ts is in no room'],
  ],
];
for (const [name, files, expected] of edges) {
  test(`findForbiddenImports() ${name}`, () => {
    assert.deepEqual(findForbiddenImports(tree(files)), expected);
  });
}

test('findCycles() tells the way round', () => {
  const files = {
    'a.ts': `import './b.ts';`,
    'b.ts': `import type { C } from './c/c.ts';`,
    'c/c.ts': `import '../b.ts';`,
  };
  assert.deepEqual(findCycles(tree(files)), ['b.ts -> c/c.ts -> b.ts']);
});

test('findBareSuppressions() wants a reason after the rule', () => {
  const files = {
    'a.ts': '// oxlint-disable-next-line no-console',
    'b.ts': '// oxlint-disable-next-line no-console -- the only way here',
    'c.ts': '// @ts-expect-error',
    'd.ts': '// biome-ignore lint/a/b: vendor typing',
  };
  assert.deepEqual(findBareSuppressions(tree(files)), ['a.ts:1: says no reason', 'c.ts:1: says no reason']);
});

test('findLongFiles() counts lines', () => {
  assert.deepEqual(findLongFiles(tree({ 'a.ts': 'a\n'.repeat(4), 'b.ts': 'b\n'.repeat(3) }), 3), ['a.ts: 4 lines']);
});
