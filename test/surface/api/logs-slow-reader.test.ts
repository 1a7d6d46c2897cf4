import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { LogLine } from '../../../src/runtime/port.ts';
import { readLines } from '../../../src/wire/lines.ts';
import type { LogEntry } from '../../../src/wire/log-answers.ts';
import { eventually } from '../../support/eventually.ts';
import {
  addNode,
  assign,
  type FakeRuntime,
  type Fixture,
  makeDocument,
  node1,
  node2,
  openFixture,
} from '../../unit/api/api-fixture.ts';
import { openTwoNodes } from '../../unit/api/two-nodes.ts';

const web0 = 'web/0' as InstanceKey;
const perBatch = 500;
const filler = 'x'.repeat(200);

/** An instance that writes without end, faster than anyone reads: old lines, so that a reader who stands still is far behind. */
class Torrent implements Pick<FakeRuntime, 'logs'> {
  written = 0;
  isOver = false;

  readonly logs: FakeRuntime['logs'] = async function* (this: Torrent): AsyncGenerator<readonly LogLine[]> {
    yield [this.#line(0)];
    for (;;) {
      await new Promise(setImmediate);
      if (this.isOver) break;
      yield Array.from({ length: perBatch }, () => this.#line(60_000));
    }
    yield [this.#line(0)];
    await new Promise(() => {});
  }.bind(this);

  #line(ageMs: number): LogLine {
    this.written += 1;
    return { at: new Date(Date.now() - ageMs).toISOString(), stream: 'stdout', text: `${this.written - 1} ${filler}` };
  }
}

/** Sends the request and reads nothing until it's told to. */
async function ask(t: TestContext, socketPath: string, path: string): Promise<Socket> {
  const socket = connect(socketPath);
  socket.pause();
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: muster\r\n\r\n`);
  t.after(() => socket.destroy());
  return socket;
}

/** The entries of a chunked answer, its heads and chunk sizes left out. */
async function* entriesOf(socket: Socket): AsyncGenerator<LogEntry> {
  async function* bodies(): AsyncGenerator<Buffer> {
    let rest: Buffer = Buffer.alloc(0);
    let isBody = false;
    for await (const chunk of socket) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      if (!isBody) rest = rest.subarray(rest.indexOf('\r\n\r\n') + 4);
      isBody = true;
      for (let end = rest.indexOf('\r\n'); end > 0; end = rest.indexOf('\r\n')) {
        const size = Number.parseInt(rest.toString('latin1', 0, end), 16);
        if (rest.length < end + 4 + size) break;
        yield rest.subarray(end + 2, end + 2 + size);
        rest = rest.subarray(end + 4 + size);
      }
    }
  }
  for await (const value of readLines(bodies())) yield value as LogEntry;
}

/** Lets a torrent of lines pass a reader that stands still, then reads on: all lines are there, or told to be lost. */
async function standStill(t: TestContext, torrent: Torrent, socketPath: string): Promise<void> {
  const socket = await ask(t, socketPath, '/v1/instances/web/0/logs?follow=true');
  await eventually('lines to be written', 10_000, () => torrent.written > 20_000);
  const before = process.memoryUsage().rss;
  await eventually('more lines than memory should hold', 60_000, () => torrent.written > 520_000);
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 60, `memory has grown by ${grown.toFixed(0)} MB while over 100 MB of lines went by`);
  torrent.isOver = true;
  let received = 0;
  let lost = 0;
  let last = -1;
  for await (const entry of entriesOf(socket)) {
    if (entry.kind === 'notice') {
      lost += entry.lost ?? 0;
      assert.match(entry.text, /\d+ lines of web\.0 are left out here/);
      continue;
    }
    const number = Number(entry.text.split(' ')[0]);
    assert.ok(number > last, `line ${number} after ${last}`);
    last = number;
    received += 1;
    if (received + lost === torrent.written) break;
  }
  assert.equal(last, torrent.written - 1);
  assert.ok(lost > 400_000, `${lost} lines were lost`);
  t.diagnostic(`${torrent.written} lines, ${lost} left out, memory grown by ${grown.toFixed(0)} MB`);
}

const runtimeOf = (torrent: Torrent): FakeRuntime => ({
  kind: 'docker',
  logs: torrent.logs,
  resolveImage: async () => undefined,
});

test('a follower that stops reading costs no memory and is told how many lines it missed', async (t) => {
  const torrent = new Torrent();
  const fixture = await openFixture(t, [runtimeOf(torrent)]);
  await addNode(fixture, node1, 'node1');
  await fixture.client.apply(makeDocument('web'), t.signal);
  await assign(fixture, node1, web0);
  await standStill(t, torrent, fixture.socketPath);
});

test('so it is through another node', async (t) => {
  const torrent = new Torrent();
  const { nodes, store } = await openTwoNodes(t, [{}, { runtimes: [runtimeOf(torrent)] }]);
  await nodes[0].client.apply(makeDocument('web'), t.signal);
  await assign(store as Fixture, node2, web0);
  await standStill(t, torrent, nodes[0].socketPath);
});
