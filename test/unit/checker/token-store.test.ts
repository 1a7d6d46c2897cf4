import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TokenStore } from '../../lab/checker/token-store.ts';

test('the store takes what is as new as what it has, and refuses what is older, per instance', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-store-'));
  const store = await TokenStore.open(folder);
  const socket = connect(join(folder, 'store.sock')).setEncoding('utf8');
  try {
    let answers = '';
    for (const line of ['one 5 x', 'one 5 x', 'one 6 y', 'one 5 x', 'two 1 z']) {
      socket.write(`${line}\n`);
      answers += String(await once(socket, 'data'));
    }
    assert.equal(answers, 'AAARA');
    assert.deepEqual(
      store.writes.map(({ run, accepted }) => [run, accepted]),
      [
        ['x', true],
        ['x', true],
        ['y', true],
        ['x', false],
        ['z', true],
      ],
    );
  } finally {
    socket.destroy();
    await store.close();
    await rm(folder, { recursive: true });
  }
});
