import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ConfigSources, readConfig } from '../../../src/config/read-config.ts';
import { AgentError } from '../../../src/domain/errors.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-config-'));
});
after(() => rm(folder, { recursive: true }));

async function read(text: string, over: Partial<ConfigSources> = {}) {
  const path = join(folder, 'muster.yaml');
  await writeFile(path, text);
  return readConfig({ path, isPathExplicit: true, environment: {}, flags: {}, ...over });
}

test('flags win over the environment, the environment over the file, the file over the default', async () => {
  const text = 'cluster: file\netcd: {endpoints: ["http://10.0.0.1:2379"]}\nlease: {ttl: 20s}\n';
  const environment = { MUSTER_CLUSTER: 'environment', MUSTER_LEASE_TTL: '30s', PATH: '/bin' };
  const config = await read(text, { environment, flags: { cluster: 'flag' } });
  assert.equal(config.cluster, 'flag');
  assert.equal(config.ttlMs, 30_000);
  assert.deepEqual(config.endpoints, ['http://10.0.0.1:2379']);
  assert.equal(config.prefix, '/muster');
});

test('lists and maps can be given as text', async () => {
  const environment = { MUSTER_ETCD_ENDPOINTS: 'http://a:2379,http://b:2379/', MUSTER_LABELS: 'zone=a,disk=ssd' };
  const config = await read('cluster: demo\n', { environment });
  assert.deepEqual(config.endpoints, ['http://a:2379', 'http://b:2379']);
  assert.deepEqual(config.labels, { zone: 'a', disk: 'ssd' });
});

test('a missing file is no error unless it was asked for', async () => {
  const missing = { path: join(folder, 'none.yaml'), environment: {}, flags: { cluster: 'demo' } };
  assert.equal((await readConfig({ ...missing, isPathExplicit: false })).cluster, 'demo');
  await assert.rejects(readConfig({ ...missing, isPathExplicit: true }), /none\.yaml.*expected a readable file/);
});

const refused: [name: string, text: string, says: RegExp, over?: Partial<ConfigSources>][] = [
  ['no cluster ID', 'labels: {}\n', /Cannot find the cluster ID: expected "cluster"/],
  ['an invalid cluster ID', 'cluster: My_Cluster\n', /cluster = "My_Cluster" .*expected 1 to 63 of a-z/],
  ['an unknown key', 'cluster: a\netcd: {endpoint: x}\n', /key "etcd\.endpoint" .*expected one of .*etcd\.endpoints/],
  ['a value of the wrong type', 'cluster: a\nleader: perhaps\n', /leader = "perhaps" .*expected true or false/],
  ['a number without a unit', 'cluster: a\nlease: {ttl: 10}\n', /lease\.ttl = 10 .*expected a duration of 2s to 5m/],
  ['a TTL out of bounds', 'cluster: a\nlease: {ttl: 1s}\n', /lease\.ttl = "1s"/],
  [
    'an endpoint that is no URL',
    'cluster: a\netcd: {endpoints: [10.0.0.1]}\n',
    /etcd\.endpoints = .*expected a list of http/,
  ],
  ['endpoints of two schemes', 'cluster: a\netcd: {endpoints: ["http://a:1", "https://b:1"]}\n', /etcd\.endpoints/],
  [
    'a password for etcd',
    'cluster: a\netcd: {username: root, password: x}\n',
    /expected client certificates: set etcd\.tls\.cert/,
  ],
  [
    'half a certificate',
    'cluster: a\netcd: {endpoints: ["https://a:1"], tls: {cert: /a.pem}}\n',
    /expected both etcd\.tls\.cert and etcd\.tls\.key/,
  ],
  ['a certificate without TLS', 'cluster: a\netcd: {tls: {ca: /a.pem}}\n', /expected https:\/\/ endpoints/],
  ['a key given twice', 'cluster: a\ncluster: b\n', /expected YAML/],
  ['a list instead of a map', '- cluster\n', /expected a map of keys/],
  [
    'an unknown variable',
    'cluster: a\n',
    /variable MUSTER_CLUSTR: expected one of/,
    { environment: { MUSTER_CLUSTR: 'x' } },
  ],
  [
    'a password in the environment',
    'cluster: a\n',
    /expected client certificates/,
    { environment: { MUSTER_ETCD_PASSWORD: 'x' } },
  ],
  [
    'an unknown flag',
    'cluster: a\n',
    /flag --lease-tl: expected one of .*--lease-ttl/,
    { flags: { 'lease-tl': '4s' } },
  ],
  ['a password as a flag', 'cluster: a\n', /expected client certificates/, { flags: { 'etcd-password': 'x' } }],
];
for (const [name, text, says, over] of refused) {
  test(`readConfig() refuses ${name}`, async () => {
    await assert.rejects(
      read(text, over),
      (error) => error instanceof AgentError && error.code === 'INVALID_INPUT' && says.test(error.message),
    );
  });
}
