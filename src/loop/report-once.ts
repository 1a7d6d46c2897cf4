import type { Clock } from './clock.ts';

/** Most subjects remembered; then it begins anew, and may repeat itself. */
const REMEMBERED = 10_000;
const PER_MINUTE = 20;
/** So much of a subject and a text tells them apart; what stands in a store may be of any size. */
const COMPARED_CHARS = 500;

/** Says each thing once, and not too many of them: what is broken in the store mustn't flood the log. */
export class ReportOnce {
  readonly #clock: Clock;
  readonly #said = new Map<string, string>();
  #minuteBeganMs = Number.NEGATIVE_INFINITY;
  #saidThisMinute = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `say` unless `text` was the last thing said of `subject`, or the minute's share is used up. */
  report(subject: string, text: string, say: () => void): void {
    const [about, what] = [subject.slice(0, COMPARED_CHARS), text.slice(0, COMPARED_CHARS)];
    if (this.#said.get(about) === what || !this.#hasShare()) return;
    if (this.#said.size >= REMEMBERED) this.#said.clear();
    this.#said.set(about, what);
    this.#saidThisMinute += 1;
    say();
  }

  #hasShare(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#minuteBeganMs >= 60_000) {
      this.#minuteBeganMs = nowMs;
      this.#saidThisMinute = 0;
    }
    return this.#saidThisMinute < PER_MINUTE;
  }
}
