import assert from 'node:assert/strict';
import { test } from 'node:test';
import { negotiateApiVersion } from '../../../../src/runtime/docker/api-version.ts';
import { demuxLogs } from '../../../../src/runtime/docker/demux-logs.ts';
import { parseImageReference, wantedVersion } from '../../../../src/runtime/docker/image-reference.ts';
import { PullProgress } from '../../../../src/runtime/docker/pull-progress.ts';
import { readJsonLines } from '../../../../src/runtime/docker/read-json-lines.ts';

async function* chunked(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const frame = (stream: 1 | 2, text: string) => {
  const head = Buffer.alloc(8);
  head.writeUInt8(stream, 0);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};
const at = (second: number) => `2026-01-01T00:00:0${second}.000000001Z`;

test('negotiateApiVersion() takes the newest version that both speak', () => {
  const engine = { Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12' };
  assert.deepEqual(negotiateApiVersion(engine), { api: '1.41', engine: '20.10.24' });
  const newer = { Version: '29.0', ApiVersion: '1.52', MinAPIVersion: '1.44' };
  assert.equal(negotiateApiVersion(newer).api, '1.47');
});

test('negotiateApiVersion() refuses a daemon that is too old, too new, or none', () => {
  assert.throws(() => negotiateApiVersion({ ApiVersion: '1.24', MinAPIVersion: '1.12' }), { code: 'INTERNAL' });
  assert.throws(() => negotiateApiVersion({ ApiVersion: '1.60', MinAPIVersion: '1.50' }), { code: 'INTERNAL' });
  for (const body of [undefined, {}, { ApiVersion: 'x' }]) {
    assert.throws(() => negotiateApiVersion(body), { code: 'UNAVAILABLE' });
  }
});

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const images: [image: string, repository: string, registry: string, wanted: string][] = [
  ['nginx', 'nginx', 'docker.io', 'latest'],
  ['team/app:1.2', 'team/app', 'docker.io', '1.2'],
  ['localhost/app', 'localhost/app', 'localhost', 'latest'],
  ['10.0.0.1:5000/a/b_c/d-e:v1', '10.0.0.1:5000/a/b_c/d-e', '10.0.0.1:5000', 'v1'],
  ['[fd00::1]:5000/app', '[fd00::1]:5000/app', '[fd00::1]:5000', 'latest'],
  [`reg.example.com/app:1@${digest}`, 'reg.example.com/app', 'reg.example.com', digest],
];
for (const [image, repository, registry, wanted] of images) {
  test(`parseImageReference() reads ${image}`, () => {
    const reference = parseImageReference(image);
    assert.deepEqual(
      [reference.repository, reference.registry, wantedVersion(reference)],
      [repository, registry, wanted],
    );
  });
}

for (const image of [
  '',
  'Nginx',
  '../containers',
  'a b',
  'a?b=c',
  'a#b',
  'a//b',
  'a/../b',
  'a:',
  '-a',
  'a@sha256:12',
  'x/./y',
]) {
  test(`parseImageReference() refuses "${image}"`, () => {
    assert.throws(() => parseImageReference(image), { code: 'INVALID_INPUT' });
  });
}

for (const size of [1, 7, 1_000]) {
  test(`demuxLogs() joins frames cut into ${size} bytes, per stream, and pieces of one line`, async () => {
    const data = Buffer.concat([
      frame(1, `${at(1)} one\n`),
      frame(1, `${at(2)} lo`),
      frame(2, `${at(3)} oops\r\n`),
      frame(1, `${at(4)} ng\n`),
      frame(1, `${at(5)} \n`),
      frame(2, `${at(6)} no end`),
    ]);
    assert.deepEqual((await all(demuxLogs(chunked(data, size)))).flat(), [
      { at: at(1), stream: 'stdout', text: 'one' },
      { at: at(3), stream: 'stderr', text: 'oops' },
      { at: at(2), stream: 'stdout', text: 'long' },
      { at: at(5), stream: 'stdout', text: '' },
      { at: at(6), stream: 'stderr', text: 'no end' },
    ]);
  });
}

test('demuxLogs() reads a hundred thousand small frames in one chunk, which is more than a stack can hold', async () => {
  const data = Buffer.concat(Array.from({ length: 100_000 }, () => frame(1, `${at(1)} x\n`)));
  assert.equal((await all(demuxLogs(chunked(data, data.length)))).flat().length, 100_000);
});

test('demuxLogs() gives an endless line in pieces, and refuses what is no frame', async () => {
  const endless = Buffer.concat(Array.from({ length: 20 }, () => frame(1, `${at(1)} ${'x'.repeat(16_000)}`)));
  const pieces = (await all(demuxLogs(chunked(endless, 5_000)))).flat();
  assert.ok(pieces.length > 1 && pieces.every(({ text }) => text.length < 100_000));
  assert.equal(pieces.map(({ text }) => text).join('').length, 320_000);
  await assert.rejects(all(demuxLogs(chunked(Buffer.from('plain text of a terminal'), 100))), { code: 'INTERNAL' });
});

for (const size of [1, 5, 1_000]) {
  test(`readJsonLines() reads objects cut into ${size} bytes and leaves out what is none`, async () => {
    const data = Buffer.from('{"a":1}\n\nnot json\r\n"text"\n{"b":"ü"}\r\n{"c":3}');
    assert.deepEqual(await all(readJsonLines(chunked(data, size))), [{ a: 1 }, { b: 'ü' }, { c: 3 }]);
  });
}

test('readJsonLines() keeps no endless line, and reads what comes after it', async () => {
  const data = Buffer.concat([Buffer.alloc(3_000_000, 'x'), Buffer.from('\n{"a":1}\n')]);
  assert.deepEqual(await all(readJsonLines(chunked(data, 65_536))), [{ a: 1 }]);
});

test('PullProgress adds up layers', () => {
  const progress = new PullProgress();
  assert.equal(progress.detail, undefined);
  assert.equal(progress.add({ status: 'Pulling from team/app', id: '1' }), false);
  assert.equal(progress.add({ status: 'Digest: sha256:…' }), false);
  progress.add({ id: 'a', status: 'Already exists' });
  progress.add({ id: 'b', status: 'Pulling fs layer' });
  progress.add({ id: 'c', status: 'Waiting' });
  assert.equal(progress.detail, 'layer 2 of 3');
  progress.add({ id: 'b', status: 'Downloading', progressDetail: { current: 2_500_000, total: 10_000_000 } });
  assert.equal(progress.detail, 'layer 2 of 3, 2.5 of 10.0 MB');
  progress.add({ id: 'b', status: 'Download complete' });
  progress.add({ id: 'c', status: 'Downloading', progressDetail: { current: 1_000_000, total: 30_100_000 } });
  progress.add({ id: 'b', status: 'Pull complete' });
  assert.equal(progress.detail, 'layer 3 of 3, 11.0 of 40.1 MB');
});
