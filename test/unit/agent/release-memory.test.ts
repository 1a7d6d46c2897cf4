import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseMemory } from '../../../src/agent/release-memory.ts';
import type { Host } from '../../../src/host/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('memory is given back each half minute, until told to end', async () => {
  const clock = new FakeClock();
  let times = 0;
  const host = {
    releaseMemory: async () => {
      times += 1;
    },
  } as Partial<Host> as Host;
  const end = new AbortController();
  const releasing = releaseMemory(host, clock, end.signal);
  await clock.advance(29_000);
  assert.equal(times, 0);
  await clock.advance(31_001);
  assert.equal(times, 2);
  end.abort();
  await releasing;
});
