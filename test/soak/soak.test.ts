import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasEtcd } from '../support/etcd-server.ts';
import { findGrowth, runSoak } from './soak.ts';

const missing = hasEtcd() ? false : 'etcd is not installed (Debian: etcd-server)';

test('an agent that starts and stops 200 instances over 20 broken connections has grown in nothing', {
  skip: missing,
}, async () => {
  const result = await runSoak({ cycles: 200, reconnects: 20 });
  assert.ok(result.starts >= 200 && result.stops >= 200, JSON.stringify(result));
  assert.ok(result.connections >= 20, JSON.stringify(result));
  assert.deepEqual(findGrowth(result), [], JSON.stringify(result.samples));
});
