/** One read, and whoever waits for it. */
interface Round<T> {
  readonly open: (signal: AbortSignal) => Promise<T>;
  readonly stop: AbortController;
  readonly result: PromiseWithResolvers<T>;
  readers: number;
}

interface Line<T> {
  running: Round<T>;
  next: Round<T> | undefined;
}

/** As the reason of a read that nobody waits for any more. Without one, each would make an error with its stack. */
const UNWANTED = 'nobody waits for it';

/**
 * One read for all who ask for the same while another is under way: it begins when that has ended, so that nobody is given what was
 * read before they asked. However many ask, two reads of a kind are under way or waited for, and what they cost doesn't grow with the askers.
 * All of them get the same object: none may change it.
 */
export class SharedReads<T> {
  readonly #lines = new Map<string, Line<T>>();

  /** @param open reads what `key` names; its signal aborts once nobody waits for it any more */
  read(key: string, open: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const line = this.#lines.get(key);
    if (line !== undefined) {
      line.next ??= makeRound(open);
      return follow(line.next, signal);
    }
    const running = makeRound(open);
    const following = follow(running, signal);
    this.#run(key, { running, next: undefined }).catch(() => {}); // it never rejects
    return following;
  }

  /** Never rejects: how a read ended is told to who waits for it. */
  async #run(key: string, line: Line<T>): Promise<void> {
    this.#lines.set(key, line);
    for (;;) {
      const { open, stop, result, readers } = line.running;
      if (readers > 0) await open(stop.signal).then(result.resolve, result.reject);
      if (line.next === undefined) break;
      line.running = line.next;
      line.next = undefined;
    }
    this.#lines.delete(key);
  }
}

function makeRound<T>(open: Round<T>['open']): Round<T> {
  return { open, stop: new AbortController(), result: Promise.withResolvers<T>(), readers: 0 };
}

function follow<T>(round: Round<T>, signal: AbortSignal): Promise<T> {
  round.readers += 1;
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      round.readers -= 1;
      if (round.readers === 0) round.stop.abort(UNWANTED);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    round.result.promise.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
}
