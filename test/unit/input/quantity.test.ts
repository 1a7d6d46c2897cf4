import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDurationMs, parseDurationMs, parseSizeBytes } from '../../../src/domain/quantity.ts';
import { nearMatch } from '../../../src/input/near-match.ts';
import { splitShellWords } from '../../../src/input/shell-words.ts';

const durations: [string, number][] = [
  ['10s', 10_000],
  ['500ms', 500],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['1d', 86_400_000],
  ['0s', 0],
];
for (const [text, ms] of durations) test(`${text} is ${ms} ms`, () => assert.equal(parseDurationMs(text), ms));
for (const ms of [0, 1, 500, 1_500, 90_000, 3_600_000, 5_400_000, 90_061_001]) {
  test(`${ms} ms are read back from what is shown of them`, () =>
    assert.equal(parseDurationMs(formatDurationMs(ms)), ms));
}
for (const text of ['', '10', 's', '10s1m', '1m1m', '-1s', '10 s', '1e3s', '10sx']) {
  test(`"${text}" is no duration`, () => assert.throws(() => parseDurationMs(text), { code: 'INVALID_INPUT' }));
}

const sizes: [string, number][] = [
  ['1048576', 1_048_576],
  ['64m', 67_108_864],
  ['1g', 2 ** 30],
  ['1.5GiB', 1.5 * 2 ** 30],
  ['2 KB', 2_048],
  ['10b', 10],
];
for (const [text, size] of sizes) test(`${text} is ${size} bytes`, () => assert.equal(parseSizeBytes(text), size));
for (const text of ['', 'm', '-1m', '1x', '1mm', '99999999999999999g', '0x10']) {
  test(`"${text}" is no size`, () => assert.throws(() => parseSizeBytes(text), { code: 'INVALID_INPUT' }));
}

const commands: [string, string[]][] = [
  ['a  b', ['a', 'b']],
  [`a 'b c' "d \\" e" f\\ g`, ['a', 'b c', 'd " e', 'f g']],
  [`''`, ['']],
  [`a"b"'c'`, ['abc']],
  [`'\\n'`, ['\\n']],
  [`"\\n"`, ['\\n']],
  ['', []],
];
for (const [text, words] of commands)
  test(`${text} is split as a shell would`, () => assert.deepEqual(splitShellWords(text), words));

test('a near match is what was meant, or nothing', () => {
  const keys = ['replicas', 'image', 'workingDir', 'cpus'];
  assert.equal(nearMatch('replcas', keys), 'replicas');
  assert.equal(nearMatch('working_dir', keys), 'workingDir');
  assert.equal(nearMatch('volumes', keys), undefined);
});
