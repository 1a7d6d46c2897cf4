import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mirror } from '../../../src/cluster/mirror.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

test('Mirror keeps only the keys that it is asked to, and is as new as the others all the same', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const put = (key: string) => store.commit({ compares: [], writes: [{ put: key, value: 'x' }] });
  const changes: (readonly string[] | 'all')[] = [];
  const mirror = new Mirror({
    kv: store.client(),
    prefix: '/demo/',
    keep: (key) => key.startsWith('/demo/kept/'),
    clock,
    log: silentLog,
    random: () => 0.5,
    onChange: (changed) => changes.push(changed === 'all' ? 'all' : [...changed]),
  });
  put('/demo/kept/1');
  put('/demo/left/1');
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  await clock.advance(10);
  put('/demo/kept/2');
  put('/demo/left/2');
  await clock.advance(10);
  assert.deepEqual([...mirror.entries.keys()], ['/demo/kept/1', '/demo/kept/2']);
  assert.deepEqual(changes, ['all', ['/demo/kept/2']]);
  assert.equal(mirror.revision, store.revision);
  stop.abort();
  await running;
});
