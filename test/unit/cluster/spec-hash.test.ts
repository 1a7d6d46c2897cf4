import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashSpec } from '../../../src/cluster/spec-hash.ts';

const hash = (text: string): string => hashSpec({ kind: 'unit', text });
const base = '[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n';

test("scale and placement are no part of a unit's hash", () => {
  for (const text of [
    `${base}[X-Muster]\nReplicas=3\n`,
    `${base}\n[X-Fleet]\nMachineMetadata=zone=a\n# said\n`,
    `[X-Muster]\nReplicas=2\n${base}`,
    `[X-Muster]\n# not continued \\\n${base}`,
    `${base}[X-Muster]\nConflicts=a \\\n[Service]\n`,
  ])
    assert.equal(hash(text), hash(base), text);
});

test('whatever systemd reads is', () => {
  for (const text of [
    base.replace('true', 'false'),
    `${base}[X-Muster]\nReplicas=3\n[Install]\nWantedBy=a.target\n`,
    `${base}[X-Other]\nKey=value\n`,
    `${base}Environment=A=1 \\\n[X-Muster]\nUser=nobody\n`,
    `[X-Muster]\nConflicts=a\\\\\n${base.replace('true', 'false')}`,
  ])
    assert.notEqual(hash(text), hash(base), text);
});
