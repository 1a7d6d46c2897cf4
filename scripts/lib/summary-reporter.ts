import type { TestEvent } from 'node:test/reporters';

/** A node:test reporter that prints nothing but the totals of the whole run, as one JSON object. */
// oxlint-disable import/no-default-export -- node:test takes a reporter as the default export
// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as the default export
export default async function* summaryReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === 'test:summary' && event.data.file === undefined) yield JSON.stringify(event.data.counts);
  }
}
