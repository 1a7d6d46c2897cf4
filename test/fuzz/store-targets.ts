import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Codec } from '../../src/cluster/codec.ts';
import { makeLayout, parseInstancePath, parseNodeInstancePath, parseNodeKey } from '../../src/cluster/layout.ts';
import { type InstanceKey, type NodeId, parseClusterId, parseInstanceKey } from '../../src/domain/ids.ts';
import { codecSamples } from './codec-samples.ts';
import { mutated, mutatedText } from './mutate.ts';
import { type FuzzTarget, makeTarget } from './target.ts';

const key = '/muster/demo/some/key';
const layout = makeLayout('/muster', parseClusterId('demo'));

/** Values as somebody may have written them: garbage, JSON of any shape, and nearly what we write. */
function storedText(samples: readonly object[]): fc.Arbitrary<string> {
  const valid = samples.map((sample) => ({ v: 1, ...sample }));
  const texts = valid.map((each) => JSON.stringify(each));
  return fc.oneof(
    { weight: 6, arbitrary: mutated(valid).map((value) => JSON.stringify(value)) },
    {
      weight: 2,
      arbitrary: mutatedText(texts, [
        '{',
        '}',
        '[',
        ']',
        '"',
        ':',
        ',',
        'null',
        '1e999',
        '\\u0000',
        '"__proto__":{}',
        '',
      ]),
    },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('utf8')) },
  );
}

function codecTarget(name: string, codec: Codec<never>, samples: readonly object[]): FuzzTarget {
  return makeTarget({
    name: `codec:${name}`,
    arbitrary: storedText(samples),
    parse: (text: string) => codec.decode(text, key),
    place: () => key,
    roundTrip: (value) => assert.deepEqual(codec.decode(codec.encode(value), key), value),
  });
}

const node = '0123456789abcdef'.repeat(2) as NodeId;
const keyWords = [
  '/',
  '//',
  '..',
  '.',
  node,
  'web',
  'hello@1.service',
  '0',
  'record',
  'presence',
  '%',
  '\0',
  'ü',
  '-',
  '_',
  '',
];
const keyText = (samples: readonly string[]) =>
  fc.oneof(
    { weight: 4, arbitrary: mutatedText(samples, keyWords) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  );
const instance = 'web/0' as InstanceKey;

function keyTarget(
  name: string,
  samples: readonly string[],
  parse: (text: string) => unknown,
  back: (value: never) => string,
): FuzzTarget {
  const roundTrip = (value: never, text: string) => assert.equal(back(value), text);
  return makeTarget({ name: `key:${name}`, arbitrary: keyText(samples), parse, place: () => 'Cannot', roundTrip });
}

const nodeKeys = {
  record: layout.nodeRecord,
  presence: layout.presence,
  settings: layout.nodeSettings,
  verdict: layout.verdict,
};

/** What is read from the store: values by every codec, and keys. */
export const storeTargets: readonly FuzzTarget[] = [
  ...codecSamples.map(({ name, codec, samples }) => codecTarget(name, codec, samples)),
  keyTarget(
    'node',
    Object.values(nodeKeys).map((make) => make(node).slice(layout.nodes.length)),
    (text) => ({ ...parseNodeKey(layout, layout.nodes + text) }),
    ({ node: found, kind }: { node: NodeId; kind: keyof typeof nodeKeys }) =>
      nodeKeys[kind](found).slice(layout.nodes.length),
  ),
  keyTarget(
    'instance',
    ['web/0', 'hello@.service/1', `everywhere/${node}`],
    (text) => parseInstancePath(layout.instances, layout.instances + text),
    (found: InstanceKey) => layout.instance(found).slice(layout.instances.length),
  ),
  keyTarget(
    'nodeInstance',
    [layout.assignment(node, instance).slice(layout.assignments.length)],
    (text) => parseNodeInstancePath(layout.assignments, layout.assignments + text),
    (found: { node: NodeId; instance: InstanceKey }) =>
      layout.assignment(found.node, found.instance).slice(layout.assignments.length),
  ),
  keyTarget('instanceKey', ['web/0', 'a.timer/0'], parseInstanceKey, (found: InstanceKey) => found),
];
