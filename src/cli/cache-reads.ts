import type { Client } from '../wire/client.ts';

/** A client that asks nothing twice until told to forget: what it was asked is then still true. */
export interface CachedReads {
  readonly client: Client;
  forget(): void;
}

/** Answers are kept by method and arguments; failures and streams are not. */
export function cacheReads(client: Client): CachedReads {
  const answers = new Map<string, Promise<unknown>>();
  const cached = new Proxy(client, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      return (...args: readonly unknown[]): unknown => {
        const key = `${name} ${JSON.stringify(args.filter((arg) => !(arg instanceof AbortSignal)))}`;
        const known = answers.get(key);
        if (known !== undefined) return known;
        const answer: unknown = Reflect.apply(method, target, args);
        if (answer instanceof Promise) keep(answers, key, answer);
        return answer;
      };
    },
  });
  return { client: cached, forget: () => answers.clear() };
}

function keep(answers: Map<string, Promise<unknown>>, key: string, answer: Promise<unknown>): void {
  answers.set(key, answer);
  answer.catch(() => {
    if (answers.get(key) === answer) answers.delete(key);
  });
}
