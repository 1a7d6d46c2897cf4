import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { addNode, layout, node1, openFixture } from './api-fixture.ts';

test('GET /v1/changes tells now, after a write below the cluster, and after a change of the node; not of other clusters', async (t) => {
  const fixture = await openFixture(t);
  const frames: { revision?: number }[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const frame of fixture.client.watchChanges(stop.signal)) frames.push(frame);
  })();
  await eventually('the first frame with a revision', 5_000, () => frames.at(-1)?.revision !== undefined);
  await addNode(fixture, node1, 'node1');
  const written = fixture.store.revision;
  await eventually('the write', 5_000, () => frames.at(-1)?.revision === written);
  const told = frames.length;
  await fixture.put(layout.root.replace('/test/', '/other/'), 'x');
  fixture.setState({ text: 'leads' });
  await eventually('the change of the node', 5_000, () => frames.length > told);
  assert.equal(frames.at(-1)?.revision, written);
  stop.abort(new Error('enough'));
  await assert.rejects(reading, /enough/);
  await eventually('the stream ends at the server', 2_000, () => fixture.open() === 0);
});
