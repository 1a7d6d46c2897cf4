import type { LogOptions } from '../runtime/port.ts';
import { isLine, type LogText } from './logs-text.ts';

/** How far the log of one copy was read, so that reading can go on there: nothing twice, nothing left out. */
export class ResumePoint {
  #at = '';
  /** Lines of that very time that were read. */
  #count = 0;
  /** Of these, so many are still to come again. */
  #again = 0;

  /** What to ask for to go on; what was asked for at first, while nothing was read. */
  options(first: LogOptions): LogOptions {
    this.#again = this.#count;
    return this.#at === '' ? first : { follow: first.follow, since: this.#at };
  }

  /** Takes note of lines as they came; returns those that are new. */
  take(batch: readonly LogText[]): readonly LogText[] {
    const fresh = this.#again === 0 ? batch : batch.filter((each) => !this.#isAgain(each));
    for (const each of fresh) {
      if (!isLine(each) || each.at < this.#at) continue;
      this.#count = each.at === this.#at ? this.#count + 1 : 1;
      this.#at = each.at;
    }
    return fresh;
  }

  #isAgain(each: LogText): boolean {
    if (this.#again === 0 || each.at !== this.#at || !isLine(each)) return false;
    this.#again -= 1;
    return true;
  }
}
