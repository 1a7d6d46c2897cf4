import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { assertCanSpawn } from '../../../src/host/assert-can-spawn.ts';
import { command } from '../../lab/command.ts';

const module = new URL('../../../src/host/assert-can-spawn.ts', import.meta.url).pathname;

test('a command can be run while there are file descriptors, and none is kept', () => {
  const before = readdirSync('/proc/self/fd').length;
  assertCanSpawn('true');
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('without file descriptors it is refused with the reason, before it ends the process', async () => {
  const program = `
    const { openSync, closeSync } = await import('node:fs');
    const { assertCanSpawn } = await import('${module}');
    const { execa } = await import('execa');
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null', 'r')); } catch {}
    let refusal;
    try {
      assertCanSpawn('true');
      await execa('true');
    } catch (error) {
      refusal = error;
    }
    for (const fd of taken) closeSync(fd);
    console.log(refusal?.code, refusal?.message, (await execa('echo', ['well'])).stdout);
  `;
  const script = `ulimit -n 100; exec "$0" --input-type=module -e "$1"`;
  const cwd = new URL('../../..', import.meta.url).pathname;
  const { stdout } = await command(['sh', '-c', script, process.execPath, program], { cwd });
  assert.equal(stdout, 'UNAVAILABLE Cannot run "true": expected free file descriptors well');
});
