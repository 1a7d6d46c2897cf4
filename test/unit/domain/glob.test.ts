import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGlob } from '../../../src/domain/glob.ts';

// Go's own table (path/match_test.go): pattern, name, whether it matches. A malformed pattern matches nothing.
const cases: [pattern: string, name: string, matches: boolean][] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'abc', true],
  ['a*', 'ab/c', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[c]', 'abc', true],
  ['ab[b-d]', 'abc', true],
  ['ab[e-g]', 'abc', false],
  ['ab[^c]', 'abc', false],
  ['ab[^b-d]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a[^a]b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['a*b', 'a/b', false],
  ['[\\]a]', ']', true],
  ['[\\-]', '-', true],
  ['[x\\-]', 'x', true],
  ['[x\\-]', 'z', false],
  ['[\\-x]', 'x', true],
  ['[]a]', ']', false],
  ['[-]', '-', false],
  ['[x-]', 'x', false],
  ['[-x]', 'x', false],
  ['\\', 'a', false],
  ['[a-b-c]', 'a', false],
  ['[', 'a', false],
  ['[^', 'a', false],
  ['[^bc', 'a', false],
  ['a[', 'a', false],
  ['a[', 'ab', false],
  ['*x', 'xxx', true],
  ['', '', true],
  ['', 'a', false],
  ['?', '', false],
  ['worker@*.service', 'worker@1.service', true],
  ['worker@*.service', 'worker@.service', true],
  ['web.*', 'web.12', true],
  ['web.*', 'webs.1', false],
];
for (const [pattern, name, matches] of cases) {
  test(`matchesGlob() ${matches ? 'matches' : 'does not match'} "${name}" with "${pattern}"`, () => {
    assert.equal(matchesGlob(pattern, name), matches);
  });
}

test('matchesGlob() comes to an end with a pattern made to be slow', () => {
  // Backtracking at every star would take some 10^28 steps.
  assert.equal(matchesGlob(`${'a*'.repeat(30)}b`, 'a'.repeat(128)), false);
});
