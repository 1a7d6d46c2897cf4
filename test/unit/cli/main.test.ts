import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../support/eventually.ts';
import { makeRow } from './fake-terminal.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

interface Ran {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code, or the signal that killed it. */
  readonly ended: Promise<number | string | null>;
}

function start(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdout: 'pipe' | number = 'pipe',
): Ran {
  const child = spawn(process.execPath, [main, ...argv], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', stdout, 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    texts.stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    texts.stderr += chunk.toString();
  });
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal ?? null);
  return { child, stdout: () => texts.stdout, stderr: () => texts.stderr, ended };
}

/** An agent's socket that answers as told, for as long as the test runs. */
async function withAgent(answer: RequestListener, then: (socketPath: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-main-'));
  const server = createServer(answer);
  try {
    server.listen(join(folder, 'api.sock'));
    await once(server, 'listening');
    await then(join(folder, 'api.sock'));
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
}

test('muster version answers on stdout', async () => {
  const { ended, stdout, stderr } = start(['version']);
  assert.deepEqual([await ended, stdout(), stderr()], [0, 'muster dev (source)\n', '']);
});

test('muster says misuse with exit code 2, an agent that is not there with 1', async () => {
  const misuse = start(['aply']);
  assert.equal(await misuse.ended, 2);
  assert.match(misuse.stderr(), /did you mean "muster apply"/);
  const away = start(['ps', '--socket', '/nonexistent/muster.sock']);
  assert.equal(await away.ended, 1);
  assert.match(away.stderr(), /^muster: Cannot reach the agent at \/nonexistent\/muster\.sock/);
});

test('muster fails when its output cannot be written, as on a full disk', async () => {
  for (const argv of [['version'], ['help']]) {
    const full = openSync('/dev/full', 'w');
    const { ended, stderr } = start(argv, {}, full);
    closeSync(full);
    assert.equal(await ended, 1, argv.join(' '));
    assert.match(stderr(), /^muster: Cannot write to standard output: ENOSPC/);
  }
});

test('muster agent is not ended by SIGHUP', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-main-'));
  try {
    const path = join(folder, 'muster.yaml');
    assert.equal(spawnSync('mkfifo', [path]).status, 0);
    const { child, ended, stdout } = start(['agent', '--check', '--config', path]);
    const config = await open(path, 'w'); // opens once the agent reads it
    child.kill('SIGHUP');
    await config.writeFile('cluster: prod\n');
    await config.close();
    assert.equal(await ended, 0);
    assert.match(stdout(), /valid: cluster prod/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Serves one instance whose log goes on for ever with what `more` writes. */
function serveLog(more: (write: (text: string) => void) => void): RequestListener {
  return ({ url }, response) => {
    if (url?.includes('/logs') !== true) {
      response.end(JSON.stringify({ rows: [makeRow()], problems: [] }));
      return;
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    more((text) =>
      response.write(
        `${JSON.stringify({ at: '2026-01-01T00:00:00Z', kind: 'line', stream: 'stdout', text, instance: 'web.0', node: 'node1' })}\n`,
      ),
    );
  };
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`muster logs -f ends quietly with ${code} on ${signal}`, async () => {
    await withAgent(
      serveLog((write) => write('first')),
      async (socketPath) => {
        const follower = start(['logs', 'web', '-f'], { MUSTER_SOCKET: socketPath });
        await eventually('the first line', 10_000, () => follower.stdout() === 'first\n');
        follower.child.kill(signal);
        assert.equal(await follower.ended, code);
        assert.equal(follower.stderr(), '');
      },
    );
  });
}

test('muster logs -f ends quietly when nobody reads any more', async () => {
  let write: (text: string) => void = () => {};
  await withAgent(
    serveLog((given) => {
      write = given;
      write('first');
    }),
    async (socketPath) => {
      const follower = start(['logs', 'web', '-f'], { MUSTER_SOCKET: socketPath });
      await eventually('the first line', 10_000, () => follower.stdout() === 'first\n');
      follower.child.stdout?.destroy();
      write('second');
      assert.equal(await follower.ended, 141);
      assert.equal(follower.stderr(), '');
    },
  );
});
