import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { readConfig } from '../../src/config/read-config.ts';
import { environmentName, flagName, settings } from '../../src/config/settings.ts';
import { mutated, mutatedText } from './mutate.ts';
import { type FuzzTarget, makeTarget } from './target.ts';

const samples = [
  {
    cluster: 'demo',
    etcd: { endpoints: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'], prefix: '/muster', attempt: '2s' },
    ...{ advertise: '10.0.0.1', labels: { zone: 'a' }, leader: true, lease: { ttl: '10s' }, agentAway: '60s' },
    ...{ shutdownGrace: '30s', parallelism: 4, docker: { socket: '/run/docker.sock' }, log: { level: 'info' } },
  },
  {
    cluster: 'demo',
    etcd: {
      endpoints: ['https://a:2379'],
      tls: { ca: '/ca.pem', cert: '/cert.pem', key: '/key.pem', serverName: 'etcd' },
    },
  },
];
const texts = [
  'cluster: demo\netcd:\n  endpoints: [http://127.0.0.1:2379]\nlabels: {zone: a}\n',
  'cluster: demo\nlabels: &a {zone: a}\nother: *a\n',
];
const words = [
  ...[
    'cluster',
    'etcd',
    'endpoints',
    'labels',
    'http://',
    'https://a:1',
    'demo',
    ': ',
    ':',
    '\n',
    '\n  ',
    '- ',
    '[',
    ']',
  ],
  ...[
    '{',
    '}',
    '&a ',
    '*a',
    '&a [*a, *a]',
    '"',
    "'",
    '!!js/function ',
    '!!set',
    '<<: *a',
    '? ',
    '---\n',
    '~',
    '10s',
    '-1',
  ],
  ...['__proto__: ', 'constructor', '%YAML 1.1\n', '\0', '\t', '#', ''],
];
const values = [
  ...[
    '',
    'demo',
    'true',
    'false',
    '10s',
    '0',
    '-1',
    '1e9',
    'http://a:1',
    'http://a:1,https://b',
    'http://',
    '/run/x',
    'x=y',
  ],
  ...['a=b,c=d', 'zone=a,,', ',', '=', '__proto__=x', '\0', '../..', '/muster', 'debug', 'etcd.tls'],
];
const value = fc.oneof({ weight: 5, arbitrary: mutatedText(values, values) }, fc.string({ unit: 'binary' }));
const paths = Object.values(settings).map(({ path }) => path);
const nameOf = (make: (path: string) => string, ...others: readonly string[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...paths).map(make) },
    { weight: 1, arbitrary: fc.constantFrom(...others, 'etcd.username').map(make) },
    { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
  );
const pairs = (name: fc.Arbitrary<string>) => fc.array(fc.tuple(name, value), { maxLength: 3 });
const fromPairs = (list: readonly (readonly [string, string])[]) => Object.fromEntries(list);

const directory = mkdtempSync(join(tmpdir(), 'muster-fuzz-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'muster.yaml');

function readText(text: string | Uint8Array) {
  writeFileSync(file, text);
  return readConfig({ path: file, isPathExplicit: true, environment: {}, flags: {} });
}

const fileArbitrary: fc.Arbitrary<string | Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: mutated(samples).map((each) => JSON.stringify(each)) },
  { weight: 4, arbitrary: mutatedText(texts, words) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
);

/** The configuration by each of its three ways. */
export const configTargets: readonly FuzzTarget[] = [
  makeTarget({ name: 'config:file', arbitrary: fileArbitrary, parse: readText, place: () => file }),
  makeTarget({
    name: 'config:environment',
    arbitrary: pairs(nameOf(environmentName, 'nothing', '__proto__')).map((list) =>
      fromPairs([['MUSTER_CLUSTER', 'demo'], ...list]),
    ),
    parse: (environment) =>
      readConfig({ path: '/nonexistent/muster.yaml', isPathExplicit: false, environment, flags: {} }),
    place: () => 'Cannot',
  }),
  makeTarget({
    name: 'config:flags',
    arbitrary: pairs(nameOf(flagName, 'nothing', '__proto__')).map((list) => fromPairs([['cluster', 'demo'], ...list])),
    parse: (flags) => readConfig({ path: '/nonexistent/muster.yaml', isPathExplicit: false, environment: {}, flags }),
    place: () => 'Cannot',
  }),
];
