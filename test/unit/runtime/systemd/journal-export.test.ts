import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LinePattern, LogLine } from '../../../../src/runtime/port.ts';
import { JournalExport } from '../../../../src/runtime/systemd/journal-export.ts';

type Field = readonly [name: string, value: string | Buffer];

const head: readonly Field[] = [
  ['__CURSOR', 's=1;i=2'],
  ['__REALTIME_TIMESTAMP', '1795285530324929'],
  ['__MONOTONIC_TIMESTAMP', '12345'],
  ['_BOOT_ID', '0'.repeat(32)],
];
const at = '2026-11-21T18:25:30.324929Z';
const limit = 64 * 1024;

/** As journalctl writes a field: with its size where it isn't one line of printable text. */
function encode([name, value]: Field): Buffer {
  const bytes = Buffer.from(value as string);
  const isPrintable =
    Buffer.from(bytes.toString()).equals(bytes) && !/\p{Cc}/u.test(bytes.toString().replaceAll('\t', ''));
  if (isPrintable) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), size, bytes, Buffer.from('\n')]);
}

function entry(...fields: readonly Field[]): Buffer {
  return Buffer.concat([...[...head, ...fields].map(encode), Buffer.from('\n')]);
}

/** All lines of a journal that comes in pieces of so many bytes. */
function read(journal: Buffer, pieceBytes = journal.length): LogLine[] {
  const entries = new JournalExport();
  const lines: LogLine[] = [];
  for (let from = 0; from < journal.length; from += pieceBytes) {
    lines.push(...entries.take(journal.subarray(from, from + pieceBytes)));
  }
  return lines;
}

const line = (text: string, stream: LogLine['stream'] = 'stdout'): LogLine => ({ at, stream, text });

const cases: readonly (readonly [what: string, journal: Buffer, expected: readonly LogLine[]])[] = [
  ['a line', entry(['MESSAGE', 'hi'], ['PRIORITY', '6']), [line('hi')]],
  ['an error', entry(['PRIORITY', '3'], ['MESSAGE', 'oh']), [line('oh', 'stderr')]],
  ['a warning', entry(['PRIORITY', '4'], ['MESSAGE', 'hm']), [line('hm')]],
  ['a line without priority', entry(['MESSAGE', 'a=b']), [line('a=b')]],
  ['an empty line', entry(['MESSAGE', '']), [line('')]],
  ['characters of any length', entry(['MESSAGE', 'ü €\u2028 😀']), [line('ü €\u2028 😀')]],
  ['quotes and backslashes', entry(['MESSAGE', '{"a":"\\n"}']), [line('{"a":"\\n"}')]],
  ['colours', entry(['MESSAGE', '\u001b[31mred\u001b[0m\r']), [line('\u001b[31mred\u001b[0m\r')]],
  ['several lines in one', entry(['MESSAGE', 'one\n\ntwo\n']), [line('one\n\ntwo\n')]],
  ['what looks like a field', entry(['MESSAGE', 'a\nMESSAGE=b\n\n']), [line('a\nMESSAGE=b\n\n')]],
  ['bytes that are no UTF-8', entry(['MESSAGE', Buffer.from([104, 105, 255, 0])]), [line('hi\uFFFD\0')]],
  ['a field that came twice', entry(['MESSAGE', 'one'], ['MESSAGE', 'two']), [line('one')]],
  ['no entry without a message', entry(['PRIORITY', '3']), []],
  [
    'entries one after the other',
    Buffer.concat([entry(['PRIORITY', '3'], ['MESSAGE', 'a']), entry(['MESSAGE', 'b'])]),
    [line('a', 'stderr'), line('b')],
  ],
  ['nothing of half an entry', entry(['MESSAGE', 'hi']).subarray(0, -1), []],
  [
    'other fields of any bytes',
    entry(['_CMDLINE', 'a\n\nb'], ['MESSAGE', 'hi'], ['X', Buffer.alloc(300_000)]),
    [line('hi')],
  ],
  [
    'a long line as much as a line may have',
    entry(['MESSAGE', 'x'.repeat(500_000)], ['PRIORITY', '3']),
    [line('x'.repeat(limit), 'stderr')],
  ],
  ['long text of long characters', entry(['MESSAGE', '€'.repeat(200_000)]), [line('€'.repeat(limit))]],
  [
    'many long bytes',
    entry(['MESSAGE', `${'y'.repeat(500_000)}\n`], ['PRIORITY', '3']),
    [line('y'.repeat(limit), 'stderr')],
  ],
  [
    'what comes after it',
    Buffer.concat([entry(['MESSAGE', 'z'.repeat(400_000)]), entry(['MESSAGE', 'next'])]),
    [line('z'.repeat(limit)), line('next')],
  ],
];

for (const [what, journal, expected] of cases) {
  test(`JournalExport reads ${what}`, () => {
    assert.deepEqual(read(journal), expected);
    const pieces = journal.length > 10_000 ? [4_096, 65_536] : [1, 2, 3, 7, 50];
    for (const bytes of pieces) assert.deepEqual(read(journal, bytes), expected, `in pieces of ${bytes} bytes`);
  });
}

test('JournalExport holds no more of a value without end than a line may have', () => {
  const entries = new JournalExport();
  entries.take(entry(['MESSAGE', 'x']).subarray(0, -2));
  const chunk = Buffer.alloc(65_536, 'x');
  let most = 0;
  for (let count = 0; count < 1_000; count += 1) {
    entries.take(chunk);
    most = Math.max(most, entries.heldBytes);
  }
  assert.ok(most < 300_000, `${most} bytes are held of a line of 64 MB`);
  assert.deepEqual([...entries.take(Buffer.from('\n\n'))], [line('x'.repeat(limit))]);
});

test('JournalExport holds no more of an entry of many long fields', () => {
  const many = Array.from({ length: 100 }, (_, index): Field => ['MESSAGE', `${index}${'x'.repeat(150_000)}`]);
  for (const journal of [entry(...many, ['PRIORITY', '3']), entry(['PRIORITY', '3'], ...many)]) {
    const entries = new JournalExport();
    let most = 0;
    const lines: LogLine[] = [];
    for (let from = 0; from < journal.length; from += 65_536) {
      lines.push(...entries.take(journal.subarray(from, from + 65_536)));
      most = Math.max(most, entries.heldBytes);
    }
    assert.ok(most < 900_000, `${most} bytes are held of ${journal.length}`);
    assert.deepEqual(lines, [line(`0${'x'.repeat(limit - 1)}`, 'stderr')]);
  }
});

const pattern: LinePattern = {
  begin: '{"at":"',
  stream: { stdout: '","stream":"stdout","text":', stderr: '","stream":"stderr","text":' },
  end: '}\n',
};

function write(lines: readonly LogLine[]): string {
  return lines.map((each) => `${JSON.stringify(each)}\n`).join('');
}

test('what JournalLines writes is what its lines are', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.constantFrom('\n', '\n\n', '"', '\\', '\u007f', '\u0000', 'MESSAGE=', '\u2028'),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const message = fc.array(piece).map((pieces) => Buffer.concat(pieces.map((each) => Buffer.from(each as string))));
  const time = fc.integer({ min: 1_000_000, max: 4_000_000_000_000_000 }).map(String);
  const journals = fc.array(fc.tuple(message, fc.integer({ min: 0, max: 7 }), time));
  fc.assert(
    fc.property(journals, fc.integer({ min: 1, max: 500 }), (messages, pieceBytes) => {
      const journal = Buffer.concat(
        messages.map(([bytes, priority, micros]) =>
          Buffer.concat([
            ...[
              ['__REALTIME_TIMESTAMP', micros] as const,
              ['MESSAGE', bytes] as const,
              ['PRIORITY', `${priority}`] as const,
            ].map(encode),
            Buffer.from('\n'),
          ]),
        ),
      );
      const entries = new JournalExport();
      let [written, made] = ['', ''];
      for (let from = 0; from < journal.length; from += pieceBytes) {
        const lines = entries.take(journal.subarray(from, from + pieceBytes));
        written += Buffer.from(lines.write?.(pattern) ?? []).toString();
        made += write([...lines]);
        assert.deepEqual(lines.at(-1), [...lines].at(-1));
      }
      assert.equal(written, made);
      const expected = messages.map(([bytes, priority, micros]): LogLine => {
        const time = new Date(Number(micros.slice(0, -3))).toISOString();
        return {
          at: `${time.slice(0, -1)}${micros.slice(-3)}Z`,
          stream: priority <= 3 ? 'stderr' : 'stdout',
          text: bytes.toString(),
        };
      });
      assert.equal(made, write(expected));
    }),
  );
});
