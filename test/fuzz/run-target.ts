import { inspect } from 'node:util';
import fc from 'fast-check';
import { fuzzTargets } from './targets.ts';

/** What came of one parser. */
export interface FuzzResult {
  readonly name: string;
  readonly cases: number;
  readonly accepted: number;
  readonly refused: number;
  readonly seconds: number;
  /** What broke it, and how to have it again; undefined when nothing did. */
  readonly failure: string | undefined;
}

/** What is thrown at one parser. */
export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  /** Called before each case, so that who watches can tell a hang. */
  readonly onCase: () => void;
}

/** Throws so many cases at one parser. */
export async function runTarget(name: string, { cases, seed, onCase }: FuzzOptions): Promise<FuzzResult> {
  const target = fuzzTargets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`Cannot fuzz "${name}": expected one of ${listTargets().join(', ')}`);
  const beganMs = performance.now();
  const details = await fc.check(target.property.beforeEach(onCase), { numRuns: cases, seed });
  const seconds = (performance.now() - beganMs) / 1_000;
  const failure = details.failed ? describe(details) : undefined;
  return { name, cases: details.numRuns, ...target.counts, seconds, failure };
}

export function listTargets(): string[] {
  return fuzzTargets.map(({ name }) => name);
}

type Failure = Pick<fc.RunDetails<unknown>, 'errorInstance' | 'counterexample' | 'counterexamplePath' | 'seed'>;

function describe({ errorInstance, counterexample, counterexamplePath, seed }: Failure): string {
  const shown = inspect(counterexample, { depth: 6, breakLength: 200, maxStringLength: 2_000, maxArrayLength: 400 });
  return `seed ${seed}, path ${counterexamplePath}: ${inspect(errorInstance)}\nCounterexample: ${shown}`;
}
