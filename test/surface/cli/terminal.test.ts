import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { textWidth } from '../../../src/cli/text-width.ts';
import { eventually } from '../../support/eventually.ts';
import { makeRow } from '../../unit/cli/fake-terminal.ts';

/** The process itself in a pseudo-terminal, which script(1) of util-linux makes. */

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const ESC = '\u001b';
const limitMs = 30_000;

/** An agent with one instance; its log and its changes go on for as long as the test runs. */
async function openAgent(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'muster-pty-'));
  const followers = new Set<ServerResponse>();
  const state = { reason: 'a reason that is far too long for a small terminal: '.repeat(4) };
  const server = createServer(({ url = '' }, response) => {
    if (url.startsWith('/v1/instances?') || url === '/v1/instances') {
      const rows = [makeRow({ phase: 'failed', healthy: false, reason: state.reason })];
      response.end(JSON.stringify({ rows, problems: [] }));
      return;
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write('{}\n');
    followers.add(response);
  });
  server.listen(join(folder, 'api.sock'));
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const change = (reason: string) => {
    state.reason = reason;
    for (const follower of followers) follower.write('{}\n');
  };
  return { socketPath: join(folder, 'api.sock'), change };
}

interface Session {
  readonly child: ChildProcess;
  readonly shown: () => string;
  readonly type: (keys: string) => void;
  readonly ended: Promise<number>;
}

/** A shell line in a terminal of this width; `muster` is this process's source. What is typed goes to the terminal. */
function open(t: TestContext, line: string, columns: number, env: Readonly<Record<string, string>> = {}): Session {
  const shell = `stty cols ${columns} rows ${columns === 0 ? 0 : 12}; muster() { '${process.execPath}' '${main}' "$@"; }; ${line}`;
  const child = spawn('script', ['-qefc', shell, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', SHELL: '/bin/bash', LANG: 'C.UTF-8', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL')); // its terminal goes with it, and that ends what runs in it
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = once(child, 'close').then(([code]) => Number(code));
  return { child, shown: () => text, type: (keys) => child.stdin?.write(keys), ended };
}

const withoutColours = (text: string) => text.replaceAll(new RegExp(`${ESC}\\[[\\d;]*m`, 'g'), '');
const hasScript = spawnSync('script', ['--version'], { stdio: 'ignore' }).status === 0;
const options = { skip: hasScript ? false : 'lacks script (Debian: bsdutils)', timeout: 2 * limitMs };

for (const columns of [40, 80, 200]) {
  test(`a terminal of ${columns} columns gets colours and no line that is longer`, options, async (t) => {
    const { socketPath } = await openAgent(t);
    const { ended, shown } = open(t, 'muster ps', columns, { MUSTER_SOCKET: socketPath });
    assert.equal(await ended, 0);
    assert.ok(shown().includes(`${ESC}[31mfailed${ESC}[0m`), shown());
    const lines = withoutColours(shown()).trimEnd().split('\r\n');
    assert.equal(lines.length, 2);
    for (const line of lines) assert.ok(textWidth(line) <= columns, line);
    assert.equal(
      lines.some((line) => line.endsWith('…')),
      true,
      'what was cut is marked',
    );
  });
}

test('a terminal that does not know its size has nothing cut, also on a screen of its own', options, async (t) => {
  const { socketPath } = await openAgent(t);
  const whole = /web\.0 [\s\S]*(a reason that is far too long for a small terminal: ?){4}/;
  const once = open(t, 'muster ps', 0, { MUSTER_SOCKET: socketPath });
  assert.equal(await once.ended, 0);
  assert.match(withoutColours(once.shown()), whole);
  const { ended, shown, type } = open(t, 'muster ps --watch', 0, { MUSTER_SOCKET: socketPath });
  await eventually('the first state', limitMs, () => shown().includes(`${ESC}[J`));
  const drawn = withoutColours(shown());
  type('\u0003');
  assert.equal(await ended, 130);
  assert.match(drawn, whole);
  assert.ok(!drawn.includes('more lines'), drawn);
});

test('NO_COLOR, --no-color and a pipe leave colours out of a terminal', options, async (t) => {
  const { socketPath } = await openAgent(t);
  for (const [line, env] of [
    ['muster ps', { NO_COLOR: '1' }],
    ['muster ps --no-color', {}],
    ['muster ps | cat', {}],
  ] as const) {
    const { ended, shown } = open(t, line, 80, { MUSTER_SOCKET: socketPath, ...env });
    assert.equal(await ended, 0);
    assert.match(shown(), /failed/);
    assert.ok(!shown().includes(ESC), line);
  }
});

test(
  '--watch redraws in place on a change; Ctrl-C gives the terminal back with what was shown last, and ends with 130',
  options,
  async (t) => {
    const { socketPath, change } = await openAgent(t);
    const line =
      'before=$(stty -g); muster ps --watch; code=$?; [ "$(stty -g)" = "$before" ] && echo "as before"; exit $code';
    const { ended, shown, type } = open(t, line, 80, { MUSTER_SOCKET: socketPath });
    await eventually('the first state', limitMs, () => shown().includes('a reason that'));
    assert.ok(shown().includes(`${ESC}[?1049h${ESC}[?25l`), 'a screen of its own, without a cursor');
    change('something else');
    await eventually('the change', limitMs, () => shown().includes('something else'));
    assert.ok(!shown().includes(`${ESC}[?1049l`));
    type('\u0003');
    assert.equal(await ended, 130);
    const [, after = ''] = shown().split(`${ESC}[?7h${ESC}[?25h${ESC}[?1049l`);
    assert.match(withoutColours(after), /^INSTANCE +[\s\S]*something else[\s\S]*as before/);
  },
);

test('Ctrl-C ends --watch --json with 130; what it wrote is for programs, on a terminal too', options, async (t) => {
  const { socketPath } = await openAgent(t);
  const line = 'muster ps --watch --json; code=$?; echo "ended $code"; exit $code';
  const { ended, shown, type } = open(t, line, 80, { MUSTER_SOCKET: socketPath });
  await eventually('the first state', limitMs, () => shown().includes('"apiVersion":"v1"'));
  type('\u0003');
  assert.equal(await ended, 130);
  assert.match(shown(), /ended 130/);
  assert.ok(!shown().includes(ESC), 'no control characters');
});
