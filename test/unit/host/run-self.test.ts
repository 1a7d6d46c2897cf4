import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import { openSelf } from '../../../src/host/run-self.ts';

const main = join(import.meta.dirname, '..', '..', '..', 'src', 'main.ts');

test('the executable is run with nothing of this process’s environment, and gives what it printed', async (t) => {
  process.env['MUSTER_DEBUG'] = '1';
  t.after(() => {
    delete process.env['MUSTER_DEBUG'];
  });
  const self = openSelf([
    process.execPath,
    '-e',
    'process.stdin.on("data", (d) => console.log(String(d), process.argv.slice(1), Object.keys(process.env).filter((k) => k.startsWith("MUSTER"))))',
    '--',
  ]);
  assert.equal(await self.run(['one', 'two'], 'hello', t.signal), "hello [ 'one', 'two' ] []");
});

test('one that fails says why, and one that hangs ends with the signal', async (t) => {
  const self = openSelf([process.execPath, main]);
  await assert.rejects(
    self.run(['pki', 'show', '/no/such'], '', t.signal),
    (error) =>
      error instanceof AgentError &&
      error.code === 'UNAVAILABLE' &&
      /Cannot run "muster pki show": Cannot read "\/no\/such"/.test(error.message),
  );
  const hanging = openSelf([process.execPath, '-e', 'setInterval(() => {}, 1000)']);
  const stop = new AbortController();
  const running = hanging.run([], '', stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
});
