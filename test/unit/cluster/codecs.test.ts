import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentCodec, clusterSettingsCodec, nodeSettingsCodec, specCodec } from '../../../src/cluster/codecs.ts';
import { AgentError, errorText } from '../../../src/domain/errors.ts';

const refusalOf = (decode: () => unknown): AgentError => {
  try {
    decode();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('Expected it to be refused');
};

const garbage: [name: string, text: string][] = [
  ['no JSON', 'garbage'],
  ['null', 'null'],
  ['a list', '[]'],
  ['no format', '{}'],
  ['a later format', '{"v":2}'],
  ['a format that is a deep structure', `{"v":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['a long text for a format', `{"v":"${'x'.repeat(400_000)}"}`],
  ['a long text in a wrong place', `{"v":1,"order":"${'x'.repeat(400_000)}"}`],
  ['a value that is too large', `{"v":1,"order":"${'x'.repeat(600_000)}"}`],
];
for (const [name, text] of garbage) {
  test(`a stored value is refused shortly and by its key: ${name}`, () => {
    const error = refusalOf(() => assignmentCodec.decode(text, '/muster/demo/assignments/a/web/0'));
    assert.equal(error.code, 'INVALID_INPUT');
    assert.match(error.message, /^Cannot read the value of "\/muster\/demo\/assignments\/a\/web\/0": expected /);
    assert.ok(error.message.length < 250, `${error.message.length} characters`);
  });
}

test('a stored value that is no JSON is not quoted: it may hold secrets', () => {
  const text = '{"v":1,"run":{"environment":{"PASSWORD":hunter2}}}';
  assert.doesNotMatch(errorText(refusalOf(() => specCodec.decode(text, 'k'))), /PASS|hunter2/);
});

test('names that objects have by themselves do no harm as keys of a map', () => {
  const labels = '{"__proto__":"x","constructor":"y","zone":"a"}';
  const decoded = nodeSettingsCodec.decode(`{"v":1,"cordoned":false,"draining":false,"labels":${labels}}`, 'k');
  assert.equal(decoded.labels['zone'], 'a');
  assert.equal(Object.getPrototypeOf(decoded.labels), Object.prototype);
});

test('settings that no agent could keep to are refused', () => {
  const settings = { layout: 1, ttlMs: 10_000, agentAwayMs: 60_000, epoch: 1 };
  assert.deepEqual(clusterSettingsCodec.decode(clusterSettingsCodec.encode(settings), 'k'), settings);
  for (const ttlMs of [0, -1, 1.5, 1e300]) {
    assert.throws(
      () => clusterSettingsCodec.decode(clusterSettingsCodec.encode({ ...settings, ttlMs }), 'k'),
      AgentError,
    );
  }
});

test('an error about what is stored is short, however long the key and the value are', () => {
  for (const value of [
    'x'.repeat(1_400_000),
    `{"v":"${'9'.repeat(100_000)}"}`,
    `{"v":1,"layout":"${'9'.repeat(100_000)}"}`,
  ]) {
    assert.throws(
      () => clusterSettingsCodec.decode(value, `/muster/${'k'.repeat(1_000_000)}`),
      (error: Error) => error.message.length < 600,
    );
  }
});
