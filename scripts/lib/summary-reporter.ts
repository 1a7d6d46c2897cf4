// oxlint-disable import/no-default-export -- node:test takes a reporter as the default export

import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** A test that failed, and why as far as it fits on a screen. */
export interface Failure {
  readonly name: string;
  readonly file: string;
  readonly reason: string;
}

/** What one run of tests came to. */
export interface Summary {
  readonly counts: Readonly<Partial<Record<'passed' | 'failed' | 'cancelled' | 'skipped', number>>>;
  readonly failures: readonly Failure[];
}

const REASON_LIMIT_CHARS = 3_000;

/** A node:test reporter that prints nothing but the {@link Summary} of the whole run, as one JSON object. */
// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as the default export
export default async function* summaryReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let counts: Summary['counts'] = {};
  const failures: Failure[] = [];
  for await (const event of events) {
    // Each file may have its own summary; the one over all comes last.
    if (event.type === 'test:summary') counts = event.data.counts;
    if (event.type !== 'test:fail') continue;
    const { name, file = '', details } = event.data;
    const { cause, failureType } = details.error as Error & { readonly failureType?: string };
    if (failureType === 'subtestsFailed') continue; // each tells for itself
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause ?? details.error);
    failures.push({ name, file, reason: reason.slice(0, REASON_LIMIT_CHARS) });
  }
  yield JSON.stringify({ counts, failures } satisfies Summary);
}
