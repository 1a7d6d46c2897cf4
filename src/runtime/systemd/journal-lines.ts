import type { LinePattern, LogLine, LogLines } from '../port.ts';

/** A line is cut here: journald takes longer ones only when told to. */
const LINE_LIMIT = 64 * 1024;
/** No line within the limit is longer than this, since what counts as one character takes three bytes at most. */
export const LINE_LIMIT_BYTES = 3 * LINE_LIMIT;

/** Where the parts of a line are: its time in microseconds since 1970, in decimal, and its text. */
export interface LineMarks {
  readonly time: number;
  readonly timeEnd: number;
  readonly text: number;
  readonly textEnd: number;
  readonly stream: LogLine['stream'];
}

/** Lines as they are in the journal's bytes: the usual ones are written as JSON without a string being made of any. */
export class JournalLines implements LogLines {
  readonly #data: Buffer;
  readonly #marks: readonly LineMarks[];
  readonly #writer: LineWriter;

  /** @param writer may be the same for any lines */
  constructor(data: Buffer, marks: readonly LineMarks[], writer: LineWriter) {
    this.#data = data;
    this.#marks = marks;
    this.#writer = writer;
  }

  get length(): number {
    return this.#marks.length;
  }

  at(index: number): LogLine | undefined {
    const marks = this.#marks.at(index);
    return marks === undefined ? undefined : this.#make(marks);
  }

  *[Symbol.iterator](): Iterator<LogLine> {
    for (const marks of this.#marks) yield this.#make(marks);
  }

  write(pattern: LinePattern): Uint8Array<ArrayBuffer> {
    return this.#writer.write(this.#data, this.#marks, pattern);
  }

  #make({ time, timeEnd, text, textEnd, stream }: LineMarks): LogLine {
    const micros = this.#data.toString('latin1', time, timeEnd);
    const at = `${isoSecond(Number(micros.slice(0, -FRACTION_DIGITS)))}.${micros.slice(-FRACTION_DIGITS)}Z`;
    return { at, stream, text: lineText(this.#data, text, textEnd) };
  }
}

/** As much of it as a line may have; what is no UTF-8 is replaced. */
function lineText(data: Buffer, from: number, end: number): string {
  const text = data.toString('utf8', from, Math.min(end, from + LINE_LIMIT_BYTES));
  return text.length > LINE_LIMIT ? text.slice(0, LINE_LIMIT) : text;
}

/** Up to its second. */
function isoSecond(second: number): string {
  return Temporal.Instant.fromEpochMilliseconds(second * 1_000)
    .toString()
    .slice(0, -1);
}

/** Of a time in microseconds: those below a second. */
const FRACTION_DIGITS = 6;
const byte = { zero: 0x30, blank: 0x20, quote: 0x22, backslash: 0x5c, delete: 0x7f } as const;

/** A pattern in bytes. */
interface Parts {
  readonly of: LinePattern;
  /** Between the time and the text. */
  readonly stream: Readonly<Record<LogLine['stream'], Buffer>>;
  readonly end: Buffer;
}

/** Writes lines by a pattern. What is the same for most of them is made once. */
export class LineWriter {
  #parts: Parts | undefined;
  /** How a line of that second begins. */
  #begin: Buffer = Buffer.alloc(0);
  #second = -1;
  #out: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #length = 0;

  write(data: Buffer, lines: readonly LineMarks[], pattern: LinePattern): Uint8Array<ArrayBuffer> {
    const parts = this.#partsOf(pattern);
    this.#out = Buffer.allocUnsafe(0);
    this.#length = 0;
    let textBytes = 0;
    for (const { text, textEnd } of lines) textBytes += textEnd - text;
    for (const { time, timeEnd, text, textEnd, stream } of lines) {
      this.#beginSecond(data, time, timeEnd - FRACTION_DIGITS, parts);
      const between = parts.stream[stream];
      const around = this.#begin.length + FRACTION_DIGITS + between.length + parts.end.length;
      this.#reserve(around + textEnd - text, around * lines.length + textBytes);
      this.#put(this.#begin);
      this.#putPlain(data, timeEnd - FRACTION_DIGITS, timeEnd);
      this.#put(between);
      if (!this.#putPlain(data, text, textEnd)) this.#putJson(JSON.stringify(lineText(data, text, textEnd)), parts.end);
      this.#put(parts.end);
    }
    return this.#out.subarray(0, this.#length);
  }

  #partsOf(of: LinePattern): Parts {
    if (this.#parts?.of === of) return this.#parts;
    const [stdout, stderr] = [Buffer.from(`Z${of.stream.stdout}"`), Buffer.from(`Z${of.stream.stderr}"`)];
    this.#parts = { of, stream: { stdout, stderr }, end: Buffer.from(`"${of.end}`) };
    this.#second = -1;
    return this.#parts;
  }

  #beginSecond(data: Buffer, from: number, end: number, { of }: Parts): void {
    let second = 0;
    for (let at = from; at < end; at += 1) second = second * 10 + (data[at] as number) - byte.zero;
    if (second === this.#second) return;
    this.#second = second;
    this.#begin = Buffer.from(`${of.begin}${isoSecond(second)}.`);
  }

  #put(bytes: Buffer): void {
    this.#out.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What is the same in JSON, as most text is; else nothing, and false. */
  #putPlain(data: Buffer, from: number, end: number): boolean {
    const out = this.#out;
    let length = this.#length;
    if (end - from > LINE_LIMIT) return false;
    for (let at = from; at < end; at += 1) {
      const each = data[at] as number;
      if (each < byte.blank || each >= byte.delete || each === byte.quote || each === byte.backslash) return false;
      out[length] = each;
      length += 1;
    }
    this.#length = length;
    return true;
  }

  /** @param json with its quotes, which are there already */
  #putJson(json: string, end: Buffer): void {
    const text = Buffer.from(json.slice(1, -1));
    this.#reserve(text.length + end.length, 0);
    this.#put(text);
  }

  /** Makes room for so many bytes more, and for all that there will be as far as that is known. */
  #reserve(bytes: number, all: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(all, this.#length === 0 ? needed : 2 * needed));
    larger.set(this.#out.subarray(0, this.#length));
    this.#out = larger;
  }
}
