import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listExecutableRanges } from '../../../src/host/executable-pages.ts';

const lines = (anonymous: number, swap = 0) =>
  `Size: 4 kB\nRss: 4 kB\nPrivate_Dirty: 4 kB\nAnonymous: ${anonymous} kB\nSwap: ${swap} kB\nVmFlags: rd mr mw me sd \n`;
const smaps = [
  `00400000-0082e000 r--p 00000000 08:01 7 /usr/local/bin/muster\n${lines(0)}`,
  `0082e000-03489000 r-xp 0042e000 08:01 7 /usr/local/bin/muster\n${lines(0)}`,
  `072a7000-072dc000 r--p 06ea7000 08:01 7 /usr/local/bin/muster\n${lines(212)}`,
  `072dc000-072dd000 r--p 06edb000 08:01 7 /usr/local/bin/muster\n${lines(0, 4)}`,
  `072dd000-0735a000 rw-p 06edb000 08:01 7 /usr/local/bin/muster\n${lines(0)}`,
  `0735a000-0735b000 rwxp 06f5a000 08:01 7 /usr/local/bin/muster\n${lines(0)}`,
  `0ef5b000-0f13e000 r--s 06f5b000 08:01 7 /usr/local/bin/muster\n${lines(0)}`,
  `370d0000-37942000 rw-p 00000000 00:00 0 [heap]\n${lines(4)}`,
  `7f0907ee9000-7f0907f6a000 r--p 00000000 00:00 0 \n${lines(0)}`,
  `7f09433c1000-7f0943517000 r-xp 00026000 08:01 9 /usr/lib/libc.so.6\n${lines(0)}`,
].join('');

test('only what shows the executable as it is on disk is let go of, nothing that was ever written to', () => {
  assert.deepEqual(listExecutableRanges(smaps, '/usr/local/bin/muster'), [
    { address: 0x40_0000n, bytes: 0x42_e000n },
    { address: 0x82_e000n, bytes: 0x2c5_b000n },
  ]);
  assert.deepEqual(listExecutableRanges(smaps, '/usr/local/bin/other'), []);
  const own = listExecutableRanges(readFileSync('/proc/self/smaps', 'utf8'), readlinkSync('/proc/self/exe'));
  assert.ok(own.length >= 3, 'Node’s own header, code and tables');
});

test('a process that lets go of its executable is smaller, and goes on', (t) => {
  const module = fileURLToPath(new URL('../../../src/host/executable-pages.ts', import.meta.url));
  const script = `
    import { readFileSync } from 'node:fs';
    import { releaseExecutable } from ${JSON.stringify(module)};
    const shownKb = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const before = shownKb();
    await releaseExecutable();
    const after = shownKb();
    const answer = await new Promise((resolve) => setTimeout(() => resolve(JSON.parse('{"still":"here"}')), 10));
    console.log(JSON.stringify({ before, after, ...answer }));
  `;
  const folder = mkdtempSync(join(tmpdir(), 'muster-executable-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const fresh = join(folder, 'node'); // just written: the kernel hasn't brought it to the disk yet
  writeFileSync(fresh, readFileSync(process.execPath), { mode: 0o755 });
  const output = execFileSync(fresh, ['--input-type=module', '--no-warnings', '-e', script], { encoding: 'utf8' });
  const { before, after, still } = JSON.parse(output) as { before: number; after: number; still: string };
  assert.equal(still, 'here');
  assert.ok(after < before / 2, `${before} kB before, ${after} kB after`);
});
