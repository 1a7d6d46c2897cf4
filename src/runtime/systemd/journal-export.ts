import type { LogLines } from '../port.ts';
import { JournalLines, LINE_LIMIT_BYTES, type LineMarks, LineWriter } from './journal-lines.ts';

const NEWLINE = 0x0a;
const EQUALS = 0x3d;
/** `err` and worse (syslog(3)). */
const LAST_ERROR_PRIORITY = 0x33;
/** The size of a field of any bytes, before them. */
const SIZE_BYTES = 8;
/** Of an entry that isn't there to its end more than this isn't held: what makes no part of its line is dropped. */
const ENTRY_LIMIT_BYTES = 512 * 1024;

const names = {
  time: Buffer.from('__REALTIME_TIMESTAMP'),
  text: Buffer.from('MESSAGE'),
  priority: Buffer.from('PRIORITY'),
};
const nothing = Buffer.alloc(0);

/** What is left of a field of which enough is known: so many bytes, or all until its line ends. */
type Skip = { readonly bytes: number } | 'line';

/**
 * Entries as `journalctl --output=export` writes them, found as they come: a field is `NAME=value`, or where its value is more than a
 * line of printable text, `NAME`, eight bytes of size, and that many bytes; an empty line ends an entry. Of a value that is longer
 * than a line may be only so much is held.
 */
export class JournalExport {
  /** The entry that isn't there to its end, and where in it its next field begins. */
  #data: Buffer = nothing;
  #at = 0;
  #skip: Skip | undefined;
  #time = -1;
  #timeEnd = -1;
  #text = -1;
  #textEnd = -1;
  #isError = false;
  readonly #writer = new LineWriter();

  /** What is held of an entry: for tests of the limit. */
  get heldBytes(): number {
    return this.#data.length;
  }

  /** The lines of the entries that this chunk ends. */
  take(chunk: Buffer): LogLines {
    const fresh = this.#skip === undefined ? chunk : this.#skipIn(chunk, this.#skip);
    const data = this.#data.length === 0 ? fresh : join(this.#data, fresh);
    const lines: LineMarks[] = [];
    let began = 0;
    this.#data = data;
    while (this.#skip === undefined) {
      const end = data.indexOf(NEWLINE, this.#at);
      if (end === this.#at) {
        this.#endEntry(lines);
        this.#at += 1;
        began = this.#at;
      } else if (!(end < 0 ? this.#cutLine() : this.#field(end))) break;
    }
    this.#forget(began);
    if (this.#at > ENTRY_LIMIT_BYTES) this.#compact();
    return new JournalLines(data, lines, this.#writer);
  }

  /** Goes on behind the field whose line ends there; false where its value isn't there to its end. */
  #field(end: number): boolean {
    const at = this.#at;
    if (this.#is(names.time)) {
      this.#time = at + names.time.length + 1;
      this.#timeEnd = end;
    } else if (this.#is(names.text)) this.#mark(at + names.text.length + 1, end);
    else if (this.#is(names.priority)) this.#isError = (this.#data[end - 1] as number) <= LAST_ERROR_PRIORITY;
    else {
      const equals = this.#data.indexOf(EQUALS, at);
      if (equals < 0 || equals > end) return this.#sized(end);
    }
    this.#at = end + 1;
    return true;
  }

  /** A field whose name stands alone in its line: its size comes then, and its value. */
  #sized(nameEnd: number): boolean {
    const data = this.#data;
    const from = nameEnd + 1 + SIZE_BYTES;
    if (data.length < from) return false;
    const isText = data.toString('latin1', this.#at, nameEnd) === 'MESSAGE';
    const end = from + Number(data.readBigUInt64LE(nameEnd + 1));
    if (data.length > end) {
      if (isText) this.#mark(from, end);
      this.#at = end + 1;
      return true;
    }
    if (data.length - from < LINE_LIMIT_BYTES) return false;
    if (isText) this.#mark(from, from + LINE_LIMIT_BYTES);
    return this.#skipOn({ bytes: end + 1 - data.length }, from);
  }

  /** A field in a line whose end isn't there: of a long one no more is needed. */
  #cutLine(): boolean {
    const from = this.#at + names.text.length + 1;
    if (this.#data.length - from < LINE_LIMIT_BYTES) return false;
    if (this.#is(names.text)) this.#mark(from, from + LINE_LIMIT_BYTES);
    return this.#skipOn('line', from);
  }

  /** Holds what a line may have of the value that begins there. */
  #skipOn(rest: Skip, from: number): true {
    this.#skip = rest;
    this.#data = this.#data.subarray(0, from + LINE_LIMIT_BYTES);
    this.#at = this.#data.length;
    return true;
  }

  /** What comes after a value of which enough is known. */
  #skipIn(chunk: Buffer, skip: Skip): Buffer {
    if (skip === 'line') {
      const end = chunk.indexOf(NEWLINE);
      if (end >= 0) this.#skip = undefined;
      return end < 0 ? nothing : chunk.subarray(end + 1);
    }
    this.#skip = skip.bytes > chunk.length ? { bytes: skip.bytes - chunk.length } : undefined;
    return chunk.subarray(skip.bytes);
  }

  #is(name: Buffer): boolean {
    const [data, at] = [this.#data, this.#at];
    for (let index = 0; index < name.length; index += 1) if (data[at + index] !== name[index]) return false;
    return data[at + name.length] === EQUALS;
  }

  /** Where a field came twice, the first counts. */
  #mark(from: number, end: number): void {
    if (this.#text >= 0) return;
    this.#text = from;
    this.#textEnd = end;
  }

  #endEntry(lines: LineMarks[]): void {
    const [time, timeEnd, text, textEnd] = [this.#time, this.#timeEnd, this.#text, this.#textEnd];
    const stream = this.#isError ? 'stderr' : 'stdout';
    if (time >= 0 && text >= 0) lines.push({ time, timeEnd, text, textEnd, stream });
    this.#time = -1;
    this.#text = -1;
    this.#isError = false;
  }

  /** Holds no more than the entry that began there. */
  #forget(began: number): void {
    if (began === 0) return;
    this.#data = began === this.#data.length ? nothing : this.#data.subarray(began);
    this.#at -= began;
    this.#time -= began;
    this.#timeEnd -= began;
    this.#text -= began;
    this.#textEnd -= began;
  }

  #compact(): void {
    const time = this.#time < 0 ? nothing : this.#data.subarray(this.#time, this.#timeEnd);
    const text = this.#text < 0 ? nothing : this.#data.subarray(this.#text, this.#textEnd);
    this.#data = Buffer.concat([time, text, this.#data.subarray(this.#at)]);
    this.#at = time.length + text.length;
    if (this.#time >= 0) [this.#time, this.#timeEnd] = [0, time.length];
    if (this.#text >= 0) [this.#text, this.#textEnd] = [time.length, this.#at];
  }
}

function join(before: Buffer, after: Buffer): Buffer {
  return after.length === 0 ? before : Buffer.concat([before, after]);
}
