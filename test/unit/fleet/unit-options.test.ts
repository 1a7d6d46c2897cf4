import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  composeText,
  type FleetOption,
  hashOptions,
  parseOptions,
  survivesAsText,
} from '../../../src/api/fleet/unit-options.ts';

const option = (section: string, name: string, value: string): FleetOption => ({ section, name, value });

const texts: readonly (readonly [what: string, text: string, options: FleetOption[]])[] = [
  ['options', '[Unit]\nA=b\n', [option('Unit', 'A', 'b')]],
  ['blanks around names and values', '[Unit]\n  A =  b c  \n', [option('Unit', 'A', 'b c')]],
  ['comments, which are lost', '# x\n[Unit]\n; y\nA=b\n# z \\\nlost=1\n', [option('Unit', 'A', 'b')]],
  [
    'a continued line with its backslash',
    '[S]\nA=b \\\n  c\nD=e\n',
    [option('S', 'A', 'b \\\n  c'), option('S', 'D', 'e')],
  ],
  ['a value that goes on into nothing', '[S]\nA=b \\\n\nD=e\n', [option('S', 'A', 'b \\\n'), option('S', 'D', 'e')]],
  ['an empty value', '[S]\nA=\nB=c\n', [option('S', 'A', ''), option('S', 'B', 'c')]],
  ['a value with an equals sign', '[S]\nA=b=c\n', [option('S', 'A', 'b=c')]],
  ['no end of line at the end', '[S]\nA=b', [option('S', 'A', 'b')]],
  ['nothing before the first section', 'A=b\n', []],
  ['ends of line of another system', '[S]\r\nA=b\r\n', [option('S', 'A', 'b')]],
];
for (const [what, text, options] of texts) {
  test(`a unit's options are read as by fleet: ${what}`, () => assert.deepEqual(parseOptions(text), options));
}

test('options are written as by fleet: the sections in order, apart by an empty line', () => {
  const options = [option('Unit', 'A', 'b'), option('Service', 'C', 'd'), option('Unit', 'E', 'f')];
  assert.equal(composeText(options), '[Unit]\nA=b\nE=f\n\n[Service]\nC=d\n');
  assert.equal(composeText([]), '');
});

test("the hash is fleet's: SHA-1 of the text that it writes", () => {
  assert.equal(hashOptions([option('Service', 'ExecStart', '/bin/true')]), sha1OfTrue);
});
/** `printf '[Service]\nExecStart=/bin/true\n' | sha1sum` */
const sha1OfTrue = '86943ac9f3754cb90f8dd38bf6da7b0cad074592';

test('options that no unit file can hold are told from those that one can', () => {
  assert.equal(survivesAsText([option('S', 'A', 'b \\\n  c'), option('S', 'B', ' spaces ')]), true);
  const bad = [
    option('S', 'A', 'b\nC=d'),
    option('S', 'A\nB', 'c'),
    option('S]\n[T', 'A', 'b'),
    option('', 'A', 'b'),
    option('S', 'A=B', 'c'),
    option('S', '', 'c'),
    option('S', '#A', 'c'),
    option('S', '[A', 'c'),
    option('S', 'A', 'b\\'),
  ];
  for (const each of bad)
    assert.equal(survivesAsText([option('S', 'X', 'y'), each, option('S', 'Z', 'z')]), false, JSON.stringify(each));
});

test('whatever survives as text is read back as it was sent', () => {
  const word = fc.string({
    unit: fc.constantFrom('a', 'B', '=', ' ', '\\', '\n', '"', '[', ']', '#', ';', '%', '\r'),
    maxLength: 8,
  });
  const options = fc.array(fc.record({ section: word, name: word, value: word }), { maxLength: 6 });
  fc.assert(
    fc.property(options, (sent) => {
      if (!survivesAsText(sent)) return;
      const sections = [...new Set(sent.map(({ section }) => section))];
      const grouped = sections.flatMap((section) => sent.filter((each) => each.section === section));
      const trim = ({ section, name, value }: FleetOption) => ({ section, name, value: value.trim() });
      assert.deepEqual(parseOptions(composeText(sent)).map(trim), grouped.map(trim));
    }),
    { numRuns: 3_000 },
  );
});
