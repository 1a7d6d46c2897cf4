import assert from 'node:assert/strict';
import fc from 'fast-check';
import { AgentError } from '../../src/domain/errors.ts';
import { parseDurationMs, parseSizeBytes } from '../../src/domain/quantity.ts';
import { parseMountText } from '../../src/input/mount-text.ts';
import { type ParsedInput, parseInput } from '../../src/input/parse-input.ts';
import { parsePortText } from '../../src/input/port-text.ts';
import { splitShellWords } from '../../src/input/shell-words.ts';
import { parseDocument } from '../../src/wire/schemas.ts';
import { mutated, mutatedText } from './mutate.ts';
import { type FuzzTarget, makeTarget } from './target.ts';

const unitSamples = [
  '[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sh -c "while true; do \\\n  sleep 1; done"\n\n[Install]\nWantedBy=multi-user.target\n',
  '[Service]\nExecStart=/bin/true\n[X-Muster]\nReplicas=3\nConflicts=hello@*.service\nMachineMetadata="zone=a" "disk=ssd"\nDisconnect=stop\n',
  '[Service]\r\nExecStart=/bin/true\r\n[X-Fleet]\r\nGlobal=true\r\nMachineID=%m\r\n# a comment\r\n; another\r\n',
];
const unitWords = [
  ...['[Service]', '[X-Muster]', '[X-Fleet]', '[', ']', 'MachineID', 'MachineOf', 'Global', 'Replicas', 'Disconnect'],
  ...[
    'MachineMetadata',
    'Conflicts',
    '=',
    '"',
    '"a=b" "c=d"',
    '\\',
    '\n',
    '\r\n',
    '\r',
    '#',
    ';',
    ' ',
    '%i',
    '%%',
    '1',
  ],
  ...['true', 'stop', 'never', '10s', 'x', '\0', 'ü', '\uFEFF', '\u2028', '__proto__', 'Replicas=99999999999', ''],
];

const documents = [
  { name: 'web', container: { image: 'nginx' } },
  {
    name: 'web',
    container: {
      ...{
        image: 'nginx:1.25',
        command: ['serve', '-v'],
        environment: { A: 'b' },
        ports: ['80:8080', '127.0.0.1:53:53/udp'],
      },
      ...{ mounts: ['/srv:/data:ro', 'data:/var/lib/data'], memory: '64m', cpus: 0.5, user: '1000', hostname: 'web' },
      ...{
        healthCheck: { test: ['curl', 'localhost'], interval: '10s', timeout: '1s', retries: 3 },
        labels: { a: 'b' },
      },
      ...{
        stopGrace: '10s',
        stopSignal: 'SIGTERM',
        capAdd: ['NET_ADMIN'],
        extraHosts: ['a:1.2.3.4'],
        readOnlyRoot: true,
      },
    },
    ...{ replicas: 3, disconnect: { mode: 'keep' }, moveOrder: 'start-first', sticky: false },
    placement: { constraints: ['zone==a'], conflicts: ['web.*'], machineOf: ['db'], replaces: ['old'] },
    reserve: { memory: '64m', cpus: 0.1 },
  },
  { name: 'hello@.service', unit: unitSamples[0], replicas: 2 },
  { name: 'hello.service', unit: unitSamples[1] },
  { name: 'all.service', unit: unitSamples[0], global: true, disconnect: { mode: 'stop' } },
  {
    ...{ name: 'db', container: { image: 'db' }, offlineStart: true },
    disconnect: { mode: 'keep', replaceAfter: 'never', onReturn: 'keep-original' },
  },
];
const yamlSamples = [
  'name: web\ncontainer:\n  image: nginx\n  ports: ["80:80"]\n',
  'name: web\ncontainer: {image: nginx, command: [a, b]}\nreplicas: 2\nplacement:\n  constraints:\n    - zone=a\n---\nname: b.service\nunit: |\n  [Service]\n  ExecStart=/bin/true\n',
  'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: *c\n',
];
const yamlWords = [
  ...[
    'name',
    'container',
    'image',
    'unit',
    'ports',
    'mounts',
    'placement',
    'constraints',
    'replicas',
    'global',
    ':',
    ': ',
  ],
  ...[
    '- ',
    '\n',
    '\n  ',
    '\n    ',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '&a',
    '&a [*a, *a]',
    '*a',
    '!!str',
    '!!binary',
    '!!set',
    '<<: ',
  ],
  ...[
    '|',
    '>',
    '---\n',
    '...\n',
    '? ',
    '~',
    'null',
    '.inf',
    '.nan',
    '1e9',
    '0x1',
    'a',
    'web',
    '80:80',
    'd:/d',
    '10s',
    '64m',
    '#',
  ],
  ...['%YAML 1.1\n', '%', '@', '`', '\t', '__proto__: ', 'constructor: ', '2001-01-01', '\0', '\uFEFF', ''],
];

const path = fc.oneof(
  fc.constantFrom(
    'x.service',
    'x@.service',
    'x@1.service',
    '@.service',
    '..service',
    'x.timer',
    'x.target',
    'dir/x.service',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
interface File {
  readonly path: string;
  readonly bytes: Uint8Array;
}
const encode = (text: string) => new TextEncoder().encode(text);
const files = (name: fc.Arbitrary<string>, text: fc.Arbitrary<string>): fc.Arbitrary<File> =>
  fc.tuple(name, text).map(([at, content]) => ({ path: at, bytes: encode(content) }));
const bytes = fc.uint8Array({ maxLength: 300 });
const yamlFile = fc.constantFrom('web.yaml', 'dir/web.yml', 'web');

/** What a file is parsed to, the server accepts unchanged, but for texts longer than it takes. */
const acceptedByServer = ({ documents: parsed }: ParsedInput) => {
  for (const each of parsed) {
    try {
      assert.deepEqual(parseDocument(JSON.parse(JSON.stringify(each))), each);
    } catch (error) {
      if (!(error instanceof AgentError && error.message.includes('expected <='))) throw error;
    }
  }
};

function fileTarget(name: string, arbitrary: fc.Arbitrary<File>): FuzzTarget {
  return makeTarget({
    name,
    arbitrary,
    parse: (file) => parseInput([file]),
    place: (file) => file.path.slice(0, 100),
    roundTrip: acceptedByServer,
  });
}

function textTarget(name: string, samples: readonly string[], parse: (text: string) => unknown): FuzzTarget {
  const words = '0123456789smhgkKbB:/.,-+_ "\'\\'
    .split('')
    .concat('[', ']', '::1', '127.0.0.1', '/udp', 'ro', '\0', 'é', '');
  const arbitrary = fc.oneof(mutatedText(samples, words), fc.string({ unit: 'binary' }));
  return makeTarget({ name: `text:${name}`, arbitrary, parse, place: () => 'Cannot' });
}

/** What operators write: unit files, YAML documents, and the little languages within. */
export const inputTargets: readonly FuzzTarget[] = [
  fileTarget(
    'unit-file',
    fc.oneof({ weight: 5, arbitrary: files(path, mutatedText(unitSamples, unitWords)) }, fc.record({ path, bytes })),
  ),
  fileTarget(
    'yaml-text',
    fc.oneof(
      { weight: 5, arbitrary: files(yamlFile, mutatedText(yamlSamples, yamlWords)) },
      fc.record({ path: yamlFile, bytes }),
    ),
  ),
  fileTarget(
    'yaml-document',
    files(
      yamlFile,
      mutated(documents).map((value) => JSON.stringify(value)),
    ),
  ),
  textTarget('duration', ['10s', '1h', '100ms', '1m30s'], parseDurationMs),
  textTarget('size', ['64m', '1g', '1024', '1.5G'], parseSizeBytes),
  textTarget('port', ['80:80', '127.0.0.1:80:80/udp', '[::1]:80:80'], parsePortText),
  textTarget('mount', ['/a:/b:ro', 'data:/data'], parseMountText),
  textTarget('shell-words', ['a "b c" \'d\'', 'a\\ b'], splitShellWords),
];
