import assert from 'node:assert/strict';
import fc from 'fast-check';
import { AgentError } from '../../src/domain/errors.ts';

/** One parser with what is thrown at it. */
export interface FuzzTarget {
  readonly name: string;
  /** One case, held against all that a parser promises; throws where it doesn't keep it. */
  readonly property: fc.IAsyncPropertyWithHooks<[unknown]>;
  /** How many cases so far were taken, and how many refused: where one is 0, nothing has been tested. */
  readonly counts: { accepted: number; refused: number };
}

export interface TargetOptions<T> {
  readonly name: string;
  readonly arbitrary: fc.Arbitrary<T>;
  readonly parse: (input: T) => unknown;
  /** What a refusal must name, whatever was wrong. */
  readonly place: (input: T) => string;
  /** Of an accepted value: throws where it can't be had back. */
  readonly roundTrip?: (value: never, input: T) => void | Promise<void>;
}

/** The most CPU time that one case may take: a parser that needs more can be made to hang an agent. */
const CASE_LIMIT_MS = 5_000;
/** What a refusal says beside the place: what others wrote must not flood a log. */
const MESSAGE_LIMIT_CHARS = 2_000;

/** A parser as a property: it returns a value or refuses in the one way that callers know, and leaves no trace. */
export function makeTarget<T>(options: TargetOptions<T>): FuzzTarget {
  const counts = { accepted: 0, refused: 0 };
  const property = fc.asyncProperty(options.arbitrary, async (input: T) => {
    const keepsInput = watchInput(input);
    const before = process.threadCpuUsage();
    const outcome = await attempt(options, input);
    const { user, system } = process.threadCpuUsage(before);
    const tookMs = (user + system) / 1_000;
    assert.ok(tookMs < CASE_LIMIT_MS, `took ${tookMs} ms`);
    keepsInput();
    assertUnpolluted();
    counts[outcome] += 1;
  });
  return { name: options.name, property: property as unknown as FuzzTarget['property'], counts };
}

async function attempt<T>({ parse, place, roundTrip }: TargetOptions<T>, input: T): Promise<'accepted' | 'refused'> {
  let value: unknown;
  try {
    value = await parse(input);
  } catch (error) {
    if (!(error instanceof AgentError) || (error.code !== 'INVALID_INPUT' && error.code !== 'LIMIT')) throw error;
    const named = place(input);
    assert.ok(error.message.includes(named), `the refusal doesn't name ${named}: ${error.message}`);
    assert.match(error.message, /(^|: )Cannot /);
    const { length } = error.message;
    assert.ok(length <= MESSAGE_LIMIT_CHARS + named.length, `the refusal has ${length} characters`);
    return 'refused';
  }
  assertPlain(value);
  await roundTrip?.(value as never, input);
  return 'accepted';
}

/** Freezes what can be frozen (a change then throws), copies the rest; the result throws where it was changed. */
function watchInput(input: unknown): () => void {
  const bytes: { readonly at: Uint8Array; readonly copy: Uint8Array }[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || depth > 200) return;
    if (value instanceof Uint8Array) {
      bytes.push({ at: value, copy: value.slice() });
      return;
    }
    for (const each of Object.values(value)) visit(each, depth + 1);
    Object.freeze(value);
  };
  visit(input, 0);
  return () => {
    for (const { at, copy } of bytes) assert.ok(Buffer.from(at).equals(copy), 'the input was changed');
  };
}

/** No object has got a property that nobody gave it. */
function assertUnpolluted(): void {
  for (const prototype of [Object.prototype, Array.prototype, String.prototype, Function.prototype]) {
    const found = Object.keys(prototype);
    assert.deepEqual(found, [], 'a prototype has been polluted');
  }
}

/** All of it is made of plain objects: none has a prototype that came with the input. */
function assertPlain(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null || depth > 200) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    const name = (prototype as { constructor?: { name?: string } }).constructor?.name ?? '';
    assert.ok(
      ['Array', 'Map', 'Set', 'Uint8Array', 'Buffer', 'Response'].includes(name),
      'a value has a strange prototype',
    );
  }
  for (const each of value instanceof Map ? value.values() : Object.values(value)) assertPlain(each, depth + 1);
}
