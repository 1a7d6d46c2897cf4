import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demuxOutput } from '../../../../src/runtime/docker/demux-output.ts';

function frame(stream: 1 | 2 | 9, text: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(stream, 0);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function* chunked(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

for (const size of [1, 3, 8, 1_000]) {
  test(`demuxOutput() gives each stream its bytes, in order, from chunks of ${size} bytes`, async () => {
    const data = Buffer.concat([frame(1, 'one'), frame(2, 'oops'), frame(1, ''), frame(1, ' two')]);
    const texts = { stdout: '', stderr: '' };
    for await (const { stream, data: bytes } of demuxOutput(chunked(data, size)))
      texts[stream] += Buffer.from(bytes).toString();
    assert.deepEqual(texts, { stdout: 'one two', stderr: 'oops' });
  });
}

test('demuxOutput() refuses what is no frame', async () => {
  await assert.rejects(Array.fromAsync(demuxOutput(chunked(frame(9, 'x'), 100))), { code: 'INTERNAL' });
});
