import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Paint } from '../../../src/cli/context.ts';
import { formatAge, formatDuration, formatTime } from '../../../src/cli/durations.ts';
import { makePaint } from '../../../src/cli/paint.ts';
import { printable, renderTable } from '../../../src/cli/table.ts';
import { cut, textWidth } from '../../../src/cli/text-width.ts';

const plain: Paint = (text) => text;
const columns = [{ title: 'NAME' }, { title: 'COUNT', align: 'right' }, { title: 'WHY', shrinks: true }] as const;
const cells = (...texts: readonly string[]) => texts.map((text) => ({ text }));

test('renderTable() aligns its columns and leaves no blanks at the ends of lines', () => {
  const text = renderTable(columns, [cells('a', '1', ''), cells('longer', '20', 'because')], {
    width: undefined,
    paint: plain,
  });
  assert.equal(text, 'NAME    COUNT  WHY\na           1\nlonger     20  because\n');
});

test('renderTable() cuts only columns that shrink, to the width of the terminal', () => {
  const text = renderTable(columns, [cells('name', '1', 'a reason that is far too long for this')], {
    width: 30,
    paint: plain,
  });
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.length <= 30),
    [true, true],
  );
  assert.match(text, /name {6}1 {2}a reason that is…\n$/);
});

test('renderTable() pads by what is seen, not by colour codes', () => {
  const text = renderTable([{ title: 'A' }, { title: 'B' }], [[{ text: 'x', tone: 'good' }, { text: 'y' }]], {
    width: undefined,
    paint: (word, tone) => (tone === 'plain' ? word : `<${tone}>${word}</>`),
  });
  assert.equal(text, '<dim>A</>  <dim>B</>\n<good>x</>  y\n');
});

test('printable() removes what could change a terminal', () => {
  assert.equal(printable('a\u001b[2Jb\r\nc\u202ed\u009b'), 'a [2Jb c d ');
});

const ages: [ms: number, text: string][] = [
  [-5, '0s'],
  [59_999, '59s'],
  [192_000, '3m12s'],
  [45 * 60_000, '45m'],
  [5 * 3_600_000 + 180_000, '5h03m'],
  [23 * 3_600_000, '23h'],
  [76 * 3_600_000, '3d4h'],
  [40 * 86_400_000, '40d'],
];
for (const [ms, text] of ages) {
  test(`formatDuration() shows ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));
}

test('formatAge() has a dash for no time', () => {
  assert.equal(formatAge(undefined, new Date()), '-');
  assert.equal(formatAge('2026-01-01T00:00:00Z', new Date('2026-01-01T00:00:07Z')), '7s');
});

const output = (isTTY: boolean) => ({ write: () => {}, isTTY, columns: 80, rows: 24 });
const colours: [name: string, isTTY: boolean, env: Record<string, string>, noColor: boolean, coloured: boolean][] = [
  ['on a terminal', true, {}, false, true],
  ['with an empty NO_COLOR', true, { NO_COLOR: '' }, false, true],
  ['not into a pipe', false, {}, false, false],
  ['not with NO_COLOR', true, { NO_COLOR: '1' }, false, false],
  ['not with --no-color', true, {}, true, false],
  ['not on a dumb terminal', true, { TERM: 'dumb' }, false, false],
];
for (const [name, isTTY, env, noColor, coloured] of colours) {
  test(`makePaint() colours ${name}`, () => {
    assert.equal(makePaint(output(isTTY), env, noColor)('x', 'good') !== 'x', coloured);
  });
}

const zone = (utc: boolean, timeZone = 'Europe/Berlin') => ({ utc, timeZone: () => timeZone });
const times: [name: string, at: string, utc: boolean, text: string][] = [
  ['where the machine is', '2026-01-01T13:03:07.123Z', false, '2026-01-01 14:03:07+01:00'],
  ['in summer', '2026-07-01T13:03:07Z', false, '2026-07-01 15:03:07+02:00'],
  ['in UTC with --utc', '2026-01-01T13:03:07.999Z', true, '2026-01-01 13:03:07Z'],
];
for (const [name, at, utc, text] of times) {
  test(`formatTime() shows a time ${name}`, () => assert.equal(formatTime(at, zone(utc)), text));
}

test('renderTable() counts wide letters as two columns and marks as none', () => {
  const text = renderTable(
    [{ title: 'A' }, { title: 'B' }],
    [cells('日本', 'x'), cells('e\u0301', 'y'), cells('🚀', 'z')],
    {
      width: undefined,
      paint: plain,
    },
  );
  assert.equal(text, 'A     B\n日本  x\ne\u0301     y\n🚀    z\n');
  assert.equal(cut('日本語テキスト', 6), '日本…');
  assert.equal(cut('日本', 4), '日本');
  assert.equal(textWidth('日本a'), 5);
});

const many = [
  { title: 'INSTANCE' },
  { title: 'NODE', spare: 1 },
  { title: 'PORTS', shrinks: true, spare: 2 },
  { title: 'WHY', shrinks: true },
] as const;
const long = cells(
  'a-workload-with-a-long-name@12.service',
  'node-in-zone-a-1',
  '0.0.0.0:8080->80/tcp',
  '理由: '.repeat(20),
);
for (const [width, titles] of [
  [20, /^INSTANCE +WHY$/],
  [40, /^INSTANCE +WHY$/],
  [80, /^INSTANCE +NODE +PORTS +WHY$/],
  [200, /^INSTANCE +NODE +PORTS +WHY$/],
] as const) {
  test(`renderTable() fits ${width} columns, and leaves out what is spare before what matters`, () => {
    const lines = renderTable(many, [long], { width, paint: plain }).trimEnd().split('\n');
    for (const line of lines) assert.ok(textWidth(line) <= width, `${textWidth(line)}: ${line}`);
    assert.match(lines[0] ?? '', titles);
  });
}
