import type { Clock } from '../../src/loop/clock.ts';

interface Call {
  readonly tag: string;
  readonly abort: (reason: unknown) => void;
  readonly fail: (error: unknown) => void;
  readonly endsWithProcess: boolean;
}

/**
 * The skin of one simulated agent process. Everything that wakes it (timers, answers, events) passes here, so that a kill is exact:
 * from then on not one more of its instructions runs, and what it had asked of others goes on without it. A frozen process
 * (SIGSTOP) gets everything later, in order.
 */
export class SimProcess {
  /** Time as the process sees it. */
  readonly clock: Clock;
  #state: 'runs' | 'frozen' | 'dead' = 'runs';
  readonly #held: (() => void)[] = [];
  readonly #calls = new Set<Call>();
  readonly #timers = new Set<() => void>();

  constructor(clock: Clock) {
    this.clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallTime: () => clock.wallTime(),
      after: (ms, then) => this.#after(clock, ms, then),
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get isAlive(): boolean {
    return this.#state !== 'dead';
  }

  get isFrozen(): boolean {
    return this.#state === 'frozen';
  }

  /** Timers and calls that wait: what must not grow. */
  get pending(): number {
    return this.#timers.size + this.#calls.size;
  }

  /** Wakes the process with this, if it can be woken. */
  deliver(then: () => void): void {
    if (this.#state === 'runs') then();
    else if (this.#state === 'frozen') this.#held.push(then);
  }

  freeze(): void {
    if (this.#state === 'runs') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'runs';
    for (const then of this.#held.splice(0)) this.deliver(then);
  }

  /** What was held is forgotten: what would have taken it is gone. */
  forget(): void {
    this.#held.length = 0;
    this.thaw();
  }

  /** SIGKILL: its streams close. What it was just sending arrives, and its answer finds nobody, unless {@link cutCalls} follows. */
  kill(): void {
    this.#state = 'dead';
    this.#held.length = 0;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const call of this.#calls) if (call.endsWithProcess) call.abort(new Error('killed'));
  }

  /** Whatever of its calls is still on its way is lost. */
  cutCalls(): void {
    for (const call of this.#calls) call.abort(new Error('cut off'));
    this.#calls.clear();
  }

  /** The other end of the calls with this tag is gone: they fail, and whether they had any effect isn't known. */
  breakCalls(tag: string, error: () => Error): void {
    for (const call of [...this.#calls]) if (call.tag === tag) call.fail(error());
  }

  /**
   * A call to the outside; its outcome is delivered as long as the process can take it.
   * @param endsWithProcess a stream, which is closed with the process; a request goes on
   */
  call<T>(
    options: { readonly tag: string; readonly signal: AbortSignal; readonly endsWithProcess?: boolean },
    begin: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { tag, signal, endsWithProcess = false } = options;
    const end = new AbortController();
    const onAbort = () => end.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    return new Promise<T>((resolve, reject) => {
      const settle = (then: () => void) => {
        if (!this.#calls.delete(call)) return;
        this.deliver(() => {
          signal.removeEventListener('abort', onAbort);
          then();
        });
      };
      const abort = (reason: unknown) => end.abort(reason);
      const fail = (error: unknown) => settle(() => reject(error));
      const call: Call = { tag, abort, fail, endsWithProcess };
      this.#calls.add(call);
      begin(end.signal).then((value) => settle(() => resolve(value)), fail);
    });
  }

  #after(clock: Clock, ms: number, then: () => void): () => void {
    const cancelTimer = clock.after(ms, () => {
      this.#timers.delete(cancelTimer);
      this.deliver(() => {
        if (!isCancelled) then();
      });
    });
    let isCancelled = false;
    this.#timers.add(cancelTimer);
    return () => {
      isCancelled = true;
      this.#timers.delete(cancelTimer);
      cancelTimer();
    };
  }

  #sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onAbort = () => {
        cancel();
        resolve(false);
      };
      const cancel = this.clock.after(ms, () => {
        signal.removeEventListener('abort', onAbort);
        resolve(true);
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
