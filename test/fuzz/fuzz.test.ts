import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as codecs from '../../src/cluster/codecs.ts';
import { codecSamples } from './codec-samples.ts';
import { fuzzTargets } from './targets.ts';

const CASES = 2_000;

for (const { name, property, counts } of fuzzTargets) {
  test(`${name}: any input is parsed or refused well`, async () => {
    await fc.assert(property, { numRuns: CASES });
    if (name === 'api:request') return;
    const least = CASES / 100;
    assert.ok(
      counts.accepted >= least && counts.refused >= least,
      `too one-sided to mean much: ${JSON.stringify(counts)}`,
    );
  });
}

test('every codec that there is has its samples', () => {
  const exported = Object.keys(codecs).filter((name) => name.endsWith('Codec'));
  assert.deepEqual(codecSamples.map(({ name }) => `${name}Codec`).sort(), exported.sort());
});
