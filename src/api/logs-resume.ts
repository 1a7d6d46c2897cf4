import type { LogOptions } from '../runtime/port.ts';
import { head, isLine, joinLines, type LogBatch, type LogText, splitBatch } from './logs-text.ts';

/** How far the log of one copy was read, so that reading can go on there: nothing twice, nothing left out. */
export class ResumePoint {
  readonly #latest = new LatestTime();
  /** Of the lines of the latest time, so many are still to come again. */
  #again = 0;

  /** What to ask for to go on; what was asked for at first, while nothing was read. */
  options(first: LogOptions): LogOptions {
    this.#again = this.#latest.count;
    return this.#latest.count === 0 ? first : { follow: first.follow, since: this.#latest.at };
  }

  /** Takes note of lines as they came; returns those that are new. */
  take(batch: LogBatch): LogBatch {
    const at = this.#latest.at;
    const isNew = (each: LogText) => {
      const isAgain = this.#again > 0 && each.at === at && isLine(each);
      if (isAgain) this.#again -= 1;
      return !isAgain;
    };
    const fresh = this.#again === 0 ? batch : joinLines(splitBatch(batch).filter(isNew));
    this.#latest.read(fresh);
    return fresh;
  }
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
/** Behind a line's time. */
const lineMark = Buffer.from('","kind":"line"');
/** Longer ones are no times. */
const AT_LIMIT = 64;

/** The latest time of lines, and how many lines are of it. It looks at bytes: every line that is followed comes by here. */
class LatestTime {
  readonly #at = Buffer.alloc(AT_LIMIT);
  #length = 0;
  #count = 0;

  get at(): string {
    return this.#at.toString('latin1', 0, this.#length);
  }

  get count(): number {
    return this.#count;
  }

  /** Notices are not counted. */
  read(batch: LogBatch): void {
    for (let from = 0; from < batch.length; ) {
      this.#readLine(batch, from + head.length);
      const end = batch.indexOf(NEWLINE, from);
      from = end < 0 ? batch.length : end + 1;
    }
  }

  #readLine(batch: LogBatch, from: number): void {
    let order = 0;
    let length = 0;
    for (; length < AT_LIMIT && batch[from + length] !== QUOTE; length += 1) {
      if (order === 0)
        order = (batch[from + length] as number) - (length < this.#length ? (this.#at[length] as number) : 0);
    }
    if (order < 0 || !isAt(batch, from + length, lineMark)) return;
    const isLater = order > 0;
    this.#count = isLater ? 1 : this.#count + 1;
    if (!isLater) return;
    this.#length = length;
    for (let index = 0; index < length; index += 1) this.#at[index] = batch[from + index] as number;
  }
}

function isAt(bytes: LogBatch, from: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index += 1) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}
