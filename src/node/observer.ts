import { errorText } from '../domain/errors.ts';
import type { InstanceKey } from '../domain/ids.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { RuntimeKind } from '../domain/spec.ts';
import type { ObservedInstance } from '../domain/status.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { NodeRuntime } from '../runtime/port.ts';

/** What one look at all runtimes showed. */
export interface Observation {
  /** Of a runtime that didn't answer: what it last showed. */
  readonly instances: ReadonlyMap<InstanceKey, ObservedInstance>;
  readonly readable: ReadonlySet<RuntimeKind>;
  /** Why a runtime could not be read. */
  readonly unreadable: ReadonlyMap<RuntimeKind, string>;
  /** Instances with an action in flight when their runtime was asked: what was seen of them may be of before its end. */
  readonly busy: ReadonlySet<InstanceKey>;
}

export interface ObserverOptions {
  readonly runtimes: readonly NodeRuntime[];
  readonly clock: Clock;
  readonly log: Log;
  /** Instances with an action in flight now. */
  readonly keysInFlight: () => readonly InstanceKey[];
  /** A runtime that wasn't waited for has answered, or an answer was taken that may be of before a change: look again. */
  readonly onLate: () => void;
}

/** A runtime that hangs mustn't keep the others from being looked after: a look waits so long for it, and the next not at all. */
const PATIENCE_MS = 3_000;

type Answer = { readonly instances: readonly ObservedInstance[] } | { readonly error: unknown };

/** One question to one runtime. */
class Question {
  readonly busy: ReadonlySet<InstanceKey>;
  answer: Answer | undefined;
  isLate = false;
  /** Something of it may have changed since it was asked: the answer may be of before that. */
  isOvertaken = false;
  readonly #answered: Promise<void>;
  readonly #options: ObserverOptions;

  constructor(options: ObserverOptions, runtime: NodeRuntime, signal: AbortSignal) {
    this.#options = options;
    this.busy = new Set(options.keysInFlight());
    this.#answered = runtime.observe(signal).then(
      (instances) => this.#settle({ instances }),
      (error: unknown) => this.#settle({ error }),
    );
  }

  #settle(answer: Answer): void {
    this.answer = answer;
    if (this.isLate) this.#options.onLate();
  }

  /** The answer, or undefined while there's none. */
  async wait(): Promise<Answer | undefined> {
    if (!this.isLate) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.clock.after(PATIENCE_MS, resolve);
        this.#answered.then(() => {
          cancel();
          resolve();
        }, resolve);
      });
    }
    this.isLate = this.answer === undefined;
    return this.answer;
  }
}

/** Looks at the runtimes; remembers what one that is away last showed. */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #questions = new Map<RuntimeKind, Question>();
  readonly #unreadable = new Map<RuntimeKind, string>();
  readonly #answered = new Set<RuntimeKind>();
  #last: ReadonlyMap<InstanceKey, ObservedInstance> = new Map();

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Why a runtime could not be read when it was last looked at. */
  get unreadable(): ReadonlyMap<RuntimeKind, string> {
    return this.#unreadable;
  }

  /** Nothing is known of what runs there: it was asked, and has never answered this process. */
  isUnknown(kind: RuntimeKind): boolean {
    return this.#unreadable.has(kind) && !this.#answered.has(kind);
  }

  /**
   * Something of it may have changed. While it's asked and not waited for, the passes that this causes learn nothing: one more is
   * called for once its answer is taken. Without a change none is: a runtime that is always late mustn't be asked without a pause.
   */
  noteChange(kind: RuntimeKind): void {
    const question = this.#questions.get(kind);
    if (question !== undefined) question.isOvertaken = true;
  }

  /** Asks all runtimes side by side. One that fails or is late is in `unreadable`; only an abort rejects. */
  async observe(signal: AbortSignal): Promise<Observation> {
    const instances = new Map<InstanceKey, ObservedInstance>();
    const readable = new Set<RuntimeKind>();
    const busy = new Set<InstanceKey>();
    await Promise.all(
      this.#options.runtimes.map(async (runtime) => {
        const { kind } = runtime;
        const question = this.#questions.get(kind) ?? new Question(this.#options, runtime, signal);
        this.#questions.set(kind, question);
        const answer = await question.wait();
        signal.throwIfAborted();
        if (answer !== undefined) this.#take(kind, question);
        if (answer !== undefined && 'instances' in answer) {
          readable.add(kind);
          this.#answered.add(kind);
          for (const instance of answer.instances) instances.set(instance.key, instance);
          for (const key of question.busy) busy.add(key);
        } else {
          for (const [key, seen] of this.#last) if (runtimeOf(key) === kind) instances.set(key, seen);
        }
        this.#note(kind, answer ?? { error: `it has not answered within ${PATIENCE_MS} ms` });
      }),
    );
    this.#last = instances;
    return { instances, readable, unreadable: new Map(this.#unreadable), busy };
  }

  #take(kind: RuntimeKind, question: Question): void {
    this.#questions.delete(kind);
    if (question.isOvertaken) this.#options.onLate();
  }

  #note(runtime: RuntimeKind, answer: Answer): void {
    const { log } = this.#options;
    if ('error' in answer) {
      if (!this.#unreadable.has(runtime)) log.warn({ runtime, err: answer.error }, 'runtime does not answer');
      this.#unreadable.set(runtime, errorText(answer.error));
    } else if (this.#unreadable.delete(runtime)) log.info({ runtime }, 'runtime answers again');
  }
}
