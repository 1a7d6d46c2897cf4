import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadDocument } from '../../../src/domain/document.ts';
import { parseInput } from '../../../src/input/parse-input.ts';
import { parseDocument } from '../../../src/wire/schemas.ts';

const service = '[Service]\nExecStart=/bin/sleep 1\n';
const container = 'name: web\ncontainer: {image: "nginx:1"}\n';

async function parse(path: string, text: string): Promise<WorkloadDocument> {
  const { documents } = await parseInput([{ path, bytes: new TextEncoder().encode(text) }]);
  const [document] = documents;
  assert.ok(document !== undefined);
  return document;
}

const unit = async (...options: string[]) => parse('x.service', `${service}[X-Muster]\n${options.join('\n')}\n`);
const yaml = async (...lines: string[]) => parse('w.yaml', `${container}${lines.join('\n')}\n`);

const accepted: [yaml: string[], unit: string[], expected: Partial<WorkloadDocument>][] = [
  [[], [], { disconnect: { mode: 'keep' } }],
  [
    ['disconnect: {mode: keep, replaceAfter: 10m, onReturn: keep-original}'],
    ['Disconnect=keep', 'ReplaceAfter=10m', 'OnReturn=keep-original'],
    { disconnect: { mode: 'keep', replaceAfterMs: 600_000, onReturn: 'keep-original' } },
  ],
  [
    ['disconnect: {onReturn: longest-running}'],
    ['OnReturn=longest-running'],
    { disconnect: { mode: 'keep', onReturn: 'longest-running' } },
  ],
  [
    ['disconnect: {mode: stop, replaceAfter: never}'],
    ['Disconnect=stop', 'ReplaceAfter=never'],
    { disconnect: { mode: 'stop', replaceAfterMs: 'never' }, moveOrder: 'stop-first' },
  ],
  [['offlineStart: true'], ['OfflineStart=yes'], { offlineStart: true }],
  [['reschedule: never'], ['Reschedule=never'], { reschedule: 'never' }],
  [
    ['reschedule: {afterRestarts: 2, delay: 1m, maxDelay: 10m}'],
    ['RescheduleAfter=2', 'RescheduleDelay=1m', 'RescheduleMaxDelay=10m'],
    { reschedule: { afterRestarts: 2, delayMs: 60_000, maxDelayMs: 600_000 } },
  ],
  [
    ['reschedule: {delay: 2h}'],
    ['RescheduleDelay=2h'],
    { reschedule: { afterRestarts: 5, delayMs: 7_200_000, maxDelayMs: 7_200_000 } },
  ],
  [
    ['reschedule: {maxDelay: 10s}'],
    ['RescheduleMaxDelay=10s'],
    { reschedule: { afterRestarts: 5, delayMs: 10_000, maxDelayMs: 10_000 } },
  ],
];
for (const [lines, options, expected] of accepted) {
  test(`${JSON.stringify(lines)} and ${JSON.stringify(options)} say the same, and go over the wire as they are`, async () => {
    for (const document of [await yaml(...lines), await unit(...options)]) {
      for (const [key, value] of Object.entries(expected)) {
        assert.deepEqual(document[key as keyof WorkloadDocument], value);
      }
      assert.deepEqual(parseDocument(JSON.parse(JSON.stringify(document))), document);
    }
  });
}

test('what a document does not say of its policies is not in it', async () => {
  for (const document of [await yaml(), await unit('Replicas=1')]) {
    assert.deepEqual(document.disconnect, { mode: 'keep' });
    assert.ok(!('offlineStart' in document) && !('reschedule' in document));
  }
});

const refused: [lines: string[], options: string[], message: RegExp][] = [
  [
    ['disconnect: {mode: stop, onReturn: keep-original}'],
    ['Disconnect=stop', 'OnReturn=keep-original'],
    /expected no onReturn with disconnect "stop"/,
  ],
  [
    ['disconnect: {mode: stop}', 'offlineStart: true'],
    ['Disconnect=stop', 'OfflineStart=true'],
    /expected no offlineStart with disconnect "stop"/,
  ],
  [
    ['disconnect: {replaceAfter: nevr}'],
    ['ReplaceAfter=nevr'],
    /"nevr": expected "never", or a duration as "10s".*; did you mean "never"\?/,
  ],
  [['disconnect: {replaceAfter: 400d}'], ['ReplaceAfter=400d'], /replaceAfter of at most 366 days, or "never"/],
  [
    ['disconnect: {onReturn: keep-orignal}'],
    ['OnReturn=keep-orignal'],
    /expected "keep-replacement" or "keep-original" or "longest-running"; did you mean "keep-original"\?/,
  ],
  [['disconnect: {replaceafter: 1s}'], ['Replaceafter=1s'], /did you mean "(r|R)eplaceAfter"\?/],
  [['offlineStart: perhaps'], ['OfflineStart=perhaps'], /true.* or .*false/],
  [['reschedule: nver'], ['Reschedule=nver'], /"never".*; did you mean "never"\?/],
  [['reschedule: {afterRestarts: -1}'], ['RescheduleAfter=-1'], /a whole number from 0 to 1000/],
  [['reschedule: {delay: 10ms}'], ['RescheduleDelay=10ms'], /a reschedule delay of at least 1s/],
  [
    ['reschedule: {delay: 2m, maxDelay: 1m}'],
    ['RescheduleDelay=2m', 'RescheduleMaxDelay=1m'],
    /a reschedule maxDelay not below its delay/,
  ],
];
for (const [lines, options, message] of refused) {
  test(`${JSON.stringify(lines)} and ${JSON.stringify(options)} are refused, and it says why and where`, async () => {
    await assert.rejects(
      yaml(...lines),
      (error: Error) => message.test(error.message) && /w\.yaml:\d/.test(error.message),
    );
    await assert.rejects(
      unit(...options),
      (error: Error) => message.test(error.message) && /x\.service:\d/.test(error.message),
    );
  });
}

test('Reschedule=never goes with no other option of it', async () => {
  await assert.rejects(unit('Reschedule=never', 'RescheduleDelay=1m'), /expected no other Reschedule option/);
});

test('a section of fleet has none of these options', async () => {
  const document = await parse('x.service', `${service}[X-Fleet]\nOnReturn=keep-original\n`);
  assert.deepEqual(document.disconnect, { mode: 'keep' });
});
