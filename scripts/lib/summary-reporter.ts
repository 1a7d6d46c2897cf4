// oxlint-disable import/no-default-export -- node:test takes a reporter as the default export
import type { TestEvent } from 'node:test/reporters';

/** A node:test reporter that prints nothing but the totals of the whole run, as one JSON object. */
// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as the default export
export default async function* summaryReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let counts: object = {};
  // Each file may have its own summary; the one over all comes last.
  for await (const event of events) if (event.type === 'test:summary') counts = event.data.counts;
  yield JSON.stringify(counts);
}
