import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeNodeId, parseMachineId } from '../../../src/host/node-id.ts';

const machineId = 'b4f1f5a1c9e04c1aa7c0d2b6a9a1f8e3';

// What `systemd-id128 -a <application ID> machine-id` prints on a machine of that ID.
const vectors: readonly (readonly [machineId: string, applicationId: string, expected: string])[] = [
  ['b4f1f5a1c9e04c1aa7c0d2b6a9a1f8e3', '6133750b53224d6d99da30a9617abcf3', '41b47432dffe49e99ced49aa20287483'],
  ['b4f1f5a1c9e04c1aa7c0d2b6a9a1f8e3', 'dc0e071e4e414da9b8484f89b0ce6437', '14bae2f76f16468da914c65b6cc7f961'],
  ['00000000000000000000000000000001', '6133750b53224d6d99da30a9617abcf3', 'aa67db8894b64601a972bb3e860fd02a'],
  ['00000000000000000000000000000001', 'dc0e071e4e414da9b8484f89b0ce6437', '8bf6ac0ce1804254979022422faeab05'],
  ['ffffffffffffffffffffffffffffffff', '6133750b53224d6d99da30a9617abcf3', '504a7849a52348ca9bfaaf9adfd7cc7e'],
  ['ffffffffffffffffffffffffffffffff', 'dc0e071e4e414da9b8484f89b0ce6437', 'e54f9f8065b74e9a9625d83f1238cd11'],
];

for (const [machine, application, expected] of vectors) {
  test(`makeNodeId() hashes ${machine} with ${application} as systemd does`, () => {
    assert.equal(makeNodeId(machine, application), expected);
  });
}

test('makeNodeId() gives another ID than the machine’s, and always the same one', () => {
  assert.equal(makeNodeId(machineId), '41b47432dffe49e99ced49aa20287483');
});

test('parseMachineId() takes the file as it is', () => {
  assert.equal(parseMachineId(`${machineId}\n`), machineId);
});

for (const text of [
  '',
  'uninitialized\n',
  '0'.repeat(32),
  machineId.toUpperCase(),
  `${machineId}0`,
  '../../etc/passwd',
]) {
  test(`parseMachineId() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseMachineId(text), { code: 'INVALID_INPUT', message: /Cannot use machine ID/ });
  });
}
