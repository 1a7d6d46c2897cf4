import type { Bus } from '../../bus/port.ts';
import { AgentError } from '../../domain/errors.ts';
import type { Clock } from '../../loop/clock.ts';
import { MANAGER_INTERFACE, MANAGER_PATH, SYSTEMD, type SystemdManager } from './systemd-manager.ts';

/** Should the end of a job go unseen, it's found out after so long. */
const RECHECK_MS = 30_000;

interface Waiter {
  readonly resolve: (result: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Waits for systemd's jobs by the signal that ends each. */
export class JobWaiter {
  readonly #manager: SystemdManager;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<Waiter>>();
  /** Results of jobs that ended before the call that made them was answered. Kept only while such a call is open. */
  readonly #early = new Map<string, string>();
  readonly #unsubscribe: readonly (() => void)[];
  #openCalls = 0;

  constructor(bus: Bus, manager: SystemdManager, clock: Clock) {
    this.#manager = manager;
    this.#clock = clock;
    const removed = { sender: SYSTEMD, path: MANAGER_PATH, interface: MANAGER_INTERFACE, member: 'JobRemoved' };
    this.#unsubscribe = [
      bus.subscribe(removed, ({ body }) => this.#ended(String(body[1]), String(body[3]))),
      bus.onDisconnect(() => this.#rejectAll()),
    ];
  }

  /**
   * Makes a job and waits for its end. Resolves with systemd's word for it: `done`, `failed`, `canceled`, `timeout`,
   * `dependency`, `skipped`, …; `unknown` when the end went unseen; undefined when no job was made. On abort: the signal's
   * reason, and the job goes on.
   */
  async run(begin: () => Promise<string | undefined>, signal: AbortSignal): Promise<string | undefined> {
    const job = await this.#begin(begin);
    if (job === undefined) return undefined;
    return job.result ?? this.#wait(job.path, signal);
  }

  async #begin(begin: () => Promise<string | undefined>) {
    this.#openCalls += 1;
    try {
      const path = await begin();
      return path === undefined ? undefined : { path, result: this.#early.get(path) };
    } finally {
      this.#openCalls -= 1;
      if (this.#openCalls === 0) this.#early.clear();
    }
  }

  #wait(path: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(path) ?? new Set();
      this.#waiting.set(path, waiters);
      const end = (settle: () => void) => {
        cancelRecheck();
        signal.removeEventListener('abort', onAbort);
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiting.get(path) === waiters) this.#waiting.delete(path);
        settle();
      };
      const waiter: Waiter = {
        resolve: (result) => end(() => resolve(result)),
        reject: (error) => end(() => reject(error)),
      };
      const onAbort = () => waiter.reject(signal.reason);
      let cancelRecheck = () => {};
      const recheckLater = () => {
        cancelRecheck = this.#clock.after(RECHECK_MS, () => {
          this.#manager.hasJob(path, signal).then((isThere) => {
            if (!waiters.has(waiter)) return;
            if (isThere) recheckLater();
            else waiter.resolve('unknown');
          }, waiter.reject);
        });
      };
      waiters.add(waiter);
      recheckLater();
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #ended(path: string, result: string): void {
    const waiters = this.#waiting.get(path);
    if (waiters !== undefined) for (const { resolve } of [...waiters]) resolve(result);
    else if (this.#openCalls > 0) this.#early.set(path, result);
  }

  #rejectAll(): void {
    const error = new AgentError('UNAVAILABLE', 'Cannot see how the job ends: the bus connection was lost');
    for (const waiters of [...this.#waiting.values()]) for (const { reject } of [...waiters]) reject(error);
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#rejectAll();
  }
}
