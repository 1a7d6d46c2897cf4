import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EncodedStep, packSteps } from '../../../src/leader/pack-steps.ts';
import type { Step } from '../../../src/plan/plan-cluster-step.ts';

const limits = { writes: 10, compares: 12, sizeBytes: 2_000 };

const anyStep = fc
  .record({ writes: fc.integer({ min: 1, max: 6 }), compares: fc.integer({ min: 0, max: 6 }), size: fc.nat(200) })
  .map(
    ({ writes, compares, size }): Omit<EncodedStep, 'step'> => ({
      compares: Array.from({ length: compares }, (_none, index) => ({ key: `c${index % 4}`, modRevision: size % 3 })),
      writes: Array.from({ length: writes }, (_none, index) => ({ put: `k${index}`, value: 'x'.repeat(size) })),
    }),
  );

test('packSteps() keeps every step whole and in order, within the limits that one step alone allows', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (parts) => {
      const steps = parts.map((part, index) => ({ ...part, step: { reason: String(index) } as Step }));
      const packs = packSteps(steps, limits);
      assert.deepEqual(
        packs.flatMap((pack) => pack.steps),
        steps.map(({ step }) => step),
      );
      for (const pack of packs) {
        const mine = steps.filter(({ step }) => pack.steps.includes(step));
        assert.deepEqual(
          pack.writes,
          mine.flatMap(({ writes }) => writes),
        );
        for (const compare of mine.flatMap(({ compares }) => compares)) {
          assert.ok(pack.compares.some((each) => JSON.stringify(each) === JSON.stringify(compare)));
        }
        if (pack.steps.length === 1) continue;
        assert.ok(pack.writes.length <= limits.writes && pack.compares.length <= limits.compares);
        assert.ok(JSON.stringify(pack.writes).length <= limits.sizeBytes);
      }
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('packSteps() compares once what several steps compare', () => {
  const compare = { key: 'workload', modRevision: 7 };
  const step = (index: number): EncodedStep => ({
    step: { reason: String(index) } as Step,
    compares: [compare],
    writes: [{ put: `k${index}`, value: '' }],
  });
  const [pack, ...others] = packSteps([step(0), step(1), step(2)], limits);
  assert.deepEqual([pack?.compares, others], [[compare], []]);
});
