import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchWorkloadState } from '../../../src/cluster/desired-watch.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { parseClusterId, type WorkloadName } from '../../../src/domain/ids.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

test('workloads whose watch is compacted past each time are not read at full speed', async () => {
  const clock = new FakeClock();
  const kv = new MemoryStore(clock).client();
  kv.watch = () => Promise.reject(new AgentError('STALE', 'Cannot watch: compacted'));
  const store = { kv, layout: makeLayout('/muster', parseClusterId('demo')), clock };
  const stop = new AbortController();
  let reads = 0;
  const watching = watchWorkloadState(
    store,
    new Set(['web' as WorkloadName]),
    () => {
      reads += 1;
    },
    stop.signal,
  );
  await clock.advance(10_000);
  stop.abort();
  await clock.advance(0);
  await watching;
  assert.ok(reads > 10 && reads <= 110, `${reads} reads in 10 s`);
});
