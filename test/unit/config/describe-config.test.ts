import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeConfig } from '../../../src/config/describe-config.ts';

test('describeConfig() says of each key its value as one writes it, and where that comes from', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-config-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'muster.yaml');
  await writeFile(path, 'cluster: file\nlease: {ttl: 20s}\nlabels: {zone: a}\n');
  const { rows, problem } = await describeConfig({
    path,
    isPathExplicit: true,
    environment: { MUSTER_LOG_LEVEL: 'debug' },
    flags: { cluster: 'flag', 'lease-kill': '60%' },
  });
  const row = (key: string) => rows.find((each) => each.key === key);
  assert.deepEqual(row('cluster'), { key: 'cluster', value: 'flag', origin: 'flag', source: '--cluster' });
  assert.deepEqual(row('log.level'), {
    key: 'log.level',
    value: 'debug',
    origin: 'environment',
    source: 'MUSTER_LOG_LEVEL',
  });
  assert.deepEqual(row('lease.ttl'), { key: 'lease.ttl', value: '20s', origin: 'file', source: path });
  assert.equal(row('labels')?.value, '{"zone":"a"}');
  assert.deepEqual(row('agentAway'), { key: 'agentAway', value: '1m', origin: 'default', source: '' });
  assert.equal(row('lease.renew')?.value, '25%');
  assert.equal(row('advertise')?.value, undefined);
  assert.match(problem ?? '', /lease\.kill/, 'what an agent would refuse as a whole');
});
