import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStateFiles } from '../../src/host/state-files.ts';
import type { Log } from '../../src/loop/log.ts';
import { command } from '../lab/command.ts';
import { FakeClock } from '../support/fake-clock.ts';

async function openFolder(context: TestContext, mountOptions?: string) {
  const folder = await mkdtemp(join(tmpdir(), 'muster-state-'));
  if (mountOptions !== undefined) await command(['mount', '-t', 'tmpfs', '-o', mountOptions, 'tmpfs', folder]);
  context.after(async () => {
    if (mountOptions !== undefined) await command(['umount', folder]);
    await rm(folder, { recursive: true });
  });
  const reports: string[] = [];
  const report = (fields: unknown): void => {
    reports.push(JSON.stringify(fields));
  };
  const log: Log = { debug: () => {}, info: () => {}, warn: report, error: report };
  const clock = new FakeClock();
  const state = openStateFiles({ folder, clock, log });
  return { folder, state, clock, reports, path: (name: string) => join(folder, name) };
}

const mounts = process.getuid?.() === 0 ? {} : { skip: 'only root can mount a tmpfs' };

test('what was written is read, whole and by the next process too', async (context) => {
  const { folder, state, clock, path } = await openFolder(context);
  assert.equal(await state.read('orders'), undefined);
  const text = 'line\nmore: ä\u{1f600}\n\n';
  await state.write('orders', 'before');
  await state.write('orders', text);
  assert.equal(await state.read('orders'), text);
  const next = openStateFiles({ folder, clock, log: { debug() {}, info() {}, warn() {}, error() {} } });
  assert.equal(await next.read('orders'), text);
  assert.equal((await stat(path('orders'))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), ['orders'], 'no temporary file is left');
});

test('writes of one name that overlap leave the last one', async (context) => {
  const { folder, state } = await openFolder(context);
  await Promise.all(Array.from({ length: 20 }, async (_, index) => state.write('orders', `text ${index}`)));
  assert.equal(await state.read('orders'), 'text 19');
  assert.deepEqual(await readdir(folder), ['orders']);
});

test('the folder is made, a name that could leave it is refused', async (context) => {
  const { folder, clock, reports } = await openFolder(context);
  const log: Log = { debug() {}, info() {}, warn: (fields: unknown) => reports.push(String(fields)), error() {} };
  const state = openStateFiles({ folder: join(folder, 'a/b'), clock, log });
  await state.write('orders', 'text');
  assert.equal(await state.read('orders'), 'text');
  for (const name of ['', '../orders', 'a/b', '.orders', 'orders.corrupt-1', 'A', 'x'.repeat(64)]) {
    await assert.rejects(state.read(name), { code: 'INVALID_INPUT' }, name);
    await assert.rejects(state.write(name, ''), { code: 'INVALID_INPUT' }, name);
  }
});

const damages: readonly [what: string, damage: (content: string) => string, problem: RegExp][] = [
  ['torn after some bytes', (content) => content.slice(0, -3), /checksum/],
  ['torn in its head', (content) => content.slice(0, 20), /begin/],
  ['empty', () => '', /begin/],
  ['altered by one letter', (content) => content.replace('wanted', 'wanTed'), /checksum/],
  ['of a later version', (content) => content.replace('muster-state 1', 'muster-state 2'), /version 2/],
  ['something else', () => '{"v":1}\n', /begin/],
];
for (const [what, damage, problem] of damages) {
  test(`a file that is ${what} is set aside, reported once and counts as absent`, async (context) => {
    const { folder, state, path, reports } = await openFolder(context);
    await state.write('orders', 'what is wanted\n');
    const damaged = damage(await readFile(path('orders'), 'utf8'));
    await writeFile(path('orders'), damaged);
    assert.equal(await state.read('orders'), undefined);
    assert.equal(await state.read('orders'), undefined);
    assert.equal(reports.length, 1);
    assert.match(reports[0] ?? '', problem);
    const [aside = ''] = await readdir(folder);
    assert.match(aside, /^orders\.corrupt-\d{8}T/);
    assert.equal(await readFile(path(aside), 'utf8'), damaged);
    await state.write('orders', 'anew');
    assert.equal(await state.read('orders'), 'anew');
  });
}

test('only the last few that were set aside are kept', async (context) => {
  const { folder, state, clock, path } = await openFolder(context);
  for (let index = 0; index < 6; index += 1) {
    await writeFile(path('orders'), `garbage ${index}`);
    await state.read('orders');
    await clock.advance(1_000);
  }
  const kept = (await readdir(folder)).sort();
  assert.equal(kept.length, 3);
  assert.deepEqual(await Promise.all(kept.map((name) => readFile(path(name), 'utf8'))), [
    'garbage 3',
    'garbage 4',
    'garbage 5',
  ]);
});

test('a disk that cannot be read is not an absent file', async (context) => {
  const { state, path } = await openFolder(context);
  await mkdir(path('orders'));
  await assert.rejects(state.read('orders'), { code: 'UNAVAILABLE' });
});

test('on a full disk a write fails, and what was there stays whole', mounts, async (context) => {
  const { folder, state, path } = await openFolder(context, 'size=64k');
  await state.write('orders', 'as before');
  await writeFile(path('filler'), Buffer.alloc(52 * 1024));
  await assert.rejects(state.write('orders', 'x'.repeat(40_000)), { code: 'UNAVAILABLE' });
  assert.equal(await state.read('orders'), 'as before');
  assert.deepEqual((await readdir(folder)).sort(), ['filler', 'orders'], 'what could not be written whole is gone');
  await rm(path('filler'));
  await state.write('orders', 'x'.repeat(40_000));
  assert.equal((await state.read('orders'))?.length, 40_000);
});

test('a read-only disk is read; a damaged file on it counts as absent', mounts, async (context) => {
  const { folder, state, path, reports } = await openFolder(context, 'size=64k');
  await state.write('orders', 'as before');
  await writeFile(path('damaged'), 'garbage');
  await command(['mount', '-o', 'remount,ro', folder]);
  assert.equal(await state.read('orders'), 'as before');
  await assert.rejects(state.write('orders', 'anew'), { code: 'UNAVAILABLE' });
  assert.equal(await state.read('orders'), 'as before');
  assert.equal(await state.read('damaged'), undefined);
  assert.equal(reports.length, 1);
  assert.match(reports[0] ?? '', /EROFS/);
});
