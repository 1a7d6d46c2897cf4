import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLogOutput } from '../../../src/agent/log-output.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';

function scratch(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'muster-log-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A descriptor that takes no more. */
function brokenFd(folder: string): number {
  const fd = openSync(join(folder, 'out'), 'w');
  closeSync(fd);
  return fd;
}

function serveJournal(context: TestContext, path: string) {
  const streams: { readonly socket: Socket; text: string }[] = [];
  const server = createServer((socket) => {
    const stream = { socket, text: '' };
    streams.push(stream);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      stream.text += String(data);
    });
  });
  server.listen(path);
  context.after(() => {
    for (const { socket } of streams) socket.destroy();
    server.close();
  });
  return streams;
}

test('lines go to standard output', (context) => {
  const folder = scratch(context);
  const path = join(folder, 'out');
  const fd = openSync(path, 'w');
  const output = openLogOutput({ fd, isJournal: true, journalSocket: join(folder, 'none'), clock: systemClock });
  output.write('one\n');
  output.write('two\n');
  output.close();
  closeSync(fd);
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
});

test('where the journal has forgotten the stream a new one is opened, and what was said meanwhile follows', async (context) => {
  const folder = scratch(context);
  const journalSocket = join(folder, 'journal');
  const output = openLogOutput({ fd: brokenFd(folder), isJournal: true, journalSocket, clock: systemClock });
  context.after(() => output.close());
  output.write('before\n');
  const streams = serveJournal(context, journalSocket);
  await eventually('the new stream', 5_000, () => streams[0]?.text.endsWith('before\n') === true);
  assert.match(streams[0]?.text ?? '', /^muster\nmuster\.service\n6\n0\n0\n0\n0\nbefore\n$/);
  output.write('after\n');
  await eventually('the next line', 5_000, () => streams[0]?.text.endsWith('after\n') === true);
  streams[0]?.socket.destroy();
  await eventually('its end is seen, and a third stream opened', 5_000, () => {
    output.write('again\n');
    return streams[1]?.text.includes('again\n') === true;
  });
});

test('a log that nobody reads ends nothing', (context) => {
  const output = openLogOutput({ fd: brokenFd(scratch(context)), isJournal: false, clock: systemClock });
  for (let line = 0; line < 10_000; line += 1) output.write(`line ${line}\n`);
  output.close();
});
