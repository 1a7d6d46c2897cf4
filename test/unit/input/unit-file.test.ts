import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUnitFile } from '../../../src/input/unit-file.ts';

const read = (text: string) =>
  parseUnitFile(text, 'x.service').options.map(({ section, key, value, line }) => [section, key, value, line]);

const cases: [name: string, text: string, expected: unknown[]][] = [
  [
    'sections and assignments',
    '[Unit]\nDescription = a b \n[Service]\nExecStart=/bin/true',
    [
      ['Unit', 'Description', 'a b', 2],
      ['Service', 'ExecStart', '/bin/true', 4],
    ],
  ],
  ['comments with # and ;, indented too', '[S]\n# a=b\n ; c=d\nk=v # kept', [['S', 'k', 'v # kept', 4]]],
  [
    'a continued line with comments between',
    '[S]\nk=a \\\n# no\n ; no\n  b \\\n  c\nl=1',
    [
      ['S', 'k', 'a  b  c', 2],
      ['S', 'l', '1', 7],
    ],
  ],
  [
    'two backslashes at the end, which continue nothing',
    '[S]\nk=a\\\\\nl=1',
    [
      ['S', 'k', 'a\\\\', 2],
      ['S', 'l', '1', 3],
    ],
  ],
  [
    'a continuation that ends with an empty line',
    '[S]\nk=a\\\n\nl=1',
    [
      ['S', 'k', 'a', 2],
      ['S', 'l', '1', 4],
    ],
  ],
  ['a continuation that ends with the file', '[S]\nk=a\\', [['S', 'k', 'a', 2]]],
  ['CRLF, also behind a backslash', '[S]\r\nk=a\\\r\nb\r\n', [['S', 'k', 'a b', 2]]],
  ['a byte order mark', '\uFEFF[S]\nk=v', [['S', 'k', 'v', 2]]],
  [
    'repeated keys, empty ones, equals signs in values',
    '[S]\nk=1\nk=\nk=a=b',
    [
      ['S', 'k', '1', 2],
      ['S', 'k', '', 3],
      ['S', 'k', 'a=b', 4],
    ],
  ],
  ['an empty file', '', []],
];
for (const [name, text, expected] of cases)
  test(`a unit file is read with ${name}`, () => assert.deepEqual(read(text), expected));

const refusals: [name: string, text: string, message: RegExp][] = [
  ['an assignment before any section', 'k=v', /at x\.service:1: expected a section/],
  ['a line without an equals sign', '[S]\n\nnonsense', /"nonsense" at x\.service:3: expected "key=value"/],
  ['a line without a key', '[S]\n=v', /x\.service:2/],
  ['a section that is not closed', '[S\nk=v', /section "\[S" at x\.service:1/],
];
for (const [name, text, message] of refusals) {
  test(`a unit file is refused for ${name}, with its line`, () =>
    assert.throws(() => read(text), { code: 'INVALID_INPUT', message }));
}
