import type { Result } from './bench-case.ts';
import { median } from './statistics.ts';

/** The median of what was measured over that of its baseline. */
export function makeResult(
  name: string,
  unit: string,
  values: readonly number[],
  baselines: readonly number[],
): Result {
  return makeRatio(name, unit, { value: median(values), baseline: median(baselines), n: values.length });
}

/** A figure over its baseline. */
export function makeRatio(
  name: string,
  unit: string,
  { value, baseline, n }: { readonly value: number; readonly baseline: number; readonly n: number },
): Result {
  return { name, value, unit, baseline, ratio: value / baseline, n };
}
