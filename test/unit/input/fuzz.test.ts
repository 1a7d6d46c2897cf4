import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AgentError } from '../../../src/domain/errors.ts';
import { parseDurationMs, parseSizeBytes } from '../../../src/domain/quantity.ts';
import { parseMountText } from '../../../src/input/mount-text.ts';
import { parseInput } from '../../../src/input/parse-input.ts';
import { parsePortText } from '../../../src/input/port-text.ts';
import { splitShellWords } from '../../../src/input/shell-words.ts';
import { parseDocument } from '../../../src/wire/schemas.ts';

const runs = { numRuns: 2_000 };
const expected = new Set(['INVALID_INPUT', 'LIMIT']);

/** Passes when the call succeeds or refuses in the one way that callers know. */
async function refusesWell(call: () => unknown): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof AgentError) || !expected.has(error.code)) throw error;
  }
}

const word = fc.constantFrom(
  '[Service]',
  '[X-Muster]',
  '[X-Fleet]',
  '[',
  ']',
  'MachineID',
  'Global',
  'Replicas',
  'MachineMetadata',
  'Conflicts',
  '=',
  '"',
  '"a=b" "c=d"',
  '\\',
  '\n',
  '\r\n',
  '#',
  ';',
  ' ',
  '%i',
  '1',
  'true',
  'x',
  '\0',
  'ü',
  '\uFEFF',
);
const unitText = fc
  .array(fc.oneof({ weight: 4, arbitrary: word }, fc.string({ unit: 'binary' })), { maxLength: 30 })
  .map((parts) => parts.join(''));
const yamlPart = fc.constantFrom(
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
  'environment',
  'healthCheck',
  'test',
  ':',
  ': ',
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
  '*a',
  '!!str',
  '<<',
  '|',
  '>',
  '---',
  '...',
  '? ',
  '~',
  'null',
  '.inf',
  '1e9',
  '0x1',
  'a',
  'web',
  '80:80',
  'd:/d',
  '10s',
  '64m',
  '#',
  '%',
  '@',
  '\t',
);
const yamlText = fc
  .array(fc.oneof({ weight: 6, arbitrary: yamlPart }, fc.string()), { maxLength: 40 })
  .map((parts) => parts.join(''));
const path = fc.oneof(
  fc.constantFrom('x.service', 'x@.service', 'x@1.service', '@.service', '..service', 'x.yaml', '-', ''),
  fc.string({ unit: 'binary' }),
);

/** Documents of the right shape with values of any: they reach the readers behind the parser. */
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.double(),
  fc.array(fc.string(), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
  fc.constantFrom('80:80', 'd:/d', '10s', '64m', 'keep', 'stop'),
);
const some = (...keys: string[]) =>
  fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] });
const shaped = fc.record(
  {
    name: fc.oneof(fc.constant('web'), fc.constant('x.service'), value),
    container: fc.oneof(
      value,
      some(
        'image',
        'command',
        'entrypoint',
        'environment',
        'ports',
        'mounts',
        'memory',
        'cpus',
        'healthCheck',
        'extraHosts',
        'logging',
        'capAdd',
      ).map((rest) => ({ image: 'a', ...rest })),
    ),
    unit: value,
    replicas: value,
    global: value,
    placement: fc.oneof(value, some('constraints', 'conflicts', 'machineOf', 'machineId', 'replaces')),
    disconnect: fc.oneof(value, some('mode')),
    reserve: fc.oneof(value, some('memory', 'cpus')),
    sticky: value,
    moveOrder: value,
  },
  { requiredKeys: ['name'] },
);

const bytes = (text: string) => new TextEncoder().encode(text);
const input = (name: string, text: string) => refusesWell(() => parseInput([{ path: name, bytes: bytes(text) }]));

test('any unit text under any name is parsed or refused well', () =>
  fc.assert(fc.asyncProperty(path, unitText, input), runs));
test('any YAML is parsed or refused well', () =>
  fc.assert(
    fc.asyncProperty(yamlText, (text) => input('x.yaml', text)),
    runs,
  ));
test('any values under the right keys are parsed or refused well', () =>
  fc.assert(
    fc.asyncProperty(shaped, (document) => input('x.yaml', JSON.stringify(document))),
    runs,
  ));
test('any bytes are parsed or refused well', () =>
  fc.assert(
    fc.asyncProperty(path, fc.uint8Array({ maxLength: 200 }), (name, raw) =>
      refusesWell(() => parseInput([{ path: name, bytes: raw }])),
    ),
    runs,
  ));
test('any JSON is a body that is parsed or refused well', () =>
  fc.assert(
    fc.asyncProperty(fc.oneof(fc.jsonValue(), shaped), (body) => refusesWell(() => parseDocument(body))),
    runs,
  ));

for (const [name, parse] of Object.entries({
  parseDurationMs,
  parseSizeBytes,
  parsePortText,
  parseMountText,
  splitShellWords,
})) {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[0-9a-z:.[\]/'"\\ ]*$/));
  test(`${name}() parses or refuses any text well`, () =>
    fc.assert(
      fc.asyncProperty(text, (each) => refusesWell(() => parse(each))),
      runs,
    ));
}

/** Few of all values are right together: here most are, and one or two are anything. */
const nearlyRight = fc
  .tuple(
    shaped,
    fc.subarray(['container', 'replicas', 'placement', 'disconnect', 'reserve', 'sticky', 'moveOrder'] as const, {
      maxLength: 2,
    }),
    fc.record(
      {
        user: value,
        hostname: value,
        ports: value,
        mounts: value,
        memory: value,
        command: value,
        environment: value,
        labels: value,
        stopGrace: value,
        network: value,
        extraHosts: value,
      },
      { requiredKeys: [] },
    ),
    fc.integer({ min: 0, max: 10 }),
  )
  .map(([any, kept, container, which]) => {
    const right = { name: 'web', container: { image: 'a' } };
    const [key, of] = Object.entries(container)[which] ?? [];
    const one = key === undefined ? {} : { container: { image: 'a', [key]: of } };
    return { ...right, ...one, ...Object.fromEntries(kept.map((each) => [each, any[each]])) };
  });

test('what is parsed from a file is accepted by the server', async () => {
  let accepted = 0;
  const property = fc.asyncProperty(nearlyRight, async (document) => {
    let parsed: Awaited<ReturnType<typeof parseInput>>;
    try {
      parsed = await parseInput([{ path: 'x.yaml', bytes: bytes(JSON.stringify(document)) }]);
    } catch {
      return; // refused before it is sent
    }
    for (const each of parsed.documents) parseDocument(JSON.parse(JSON.stringify(each)));
    accepted += 1;
  });
  await fc.assert(property, runs);
  assert.ok(accepted > 100, `only ${accepted} documents were accepted`);
});
