import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { ExecOrder } from '../../../src/runtime/port.ts';
import { eventually } from '../../support/eventually.ts';
import { execHere, type FakeExecs } from '../../support/fake-exec.ts';
import { assign, type Fixture, makeDocument, node2, report } from '../../unit/api/api-fixture.ts';
import { openTwoNodes } from '../../unit/api/two-nodes.ts';

/** The process itself in a pseudo-terminal, which script(1) of util-linux makes, against an API whose commands run on another node. */

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const ESC = '\u001b';
const limitMs = 15_000;
const web0 = 'web/0' as InstanceKey;
const hasScript = spawnSync('script', ['--version'], { stdio: 'ignore' }).status === 0;
const options = { skip: hasScript ? false : 'lacks script (Debian: bsdutils)', timeout: 2 * limitMs };

async function openCluster(t: TestContext) {
  const execs: FakeExecs = { open: 0, bytes: 0 };
  const runtimes = [
    {
      kind: 'docker' as const,
      logs: () => {
        throw new Error('not used');
      },
      resolveImage: async () => undefined,
      exec: async (_key: InstanceKey, order: ExecOrder) => execHere(order, execs),
      usage: async () => [{ key: web0, cpuNs: 1_000_000n, memoryBytes: 5 * 2 ** 20 }],
    },
  ];
  const { nodes, store } = await openTwoNodes(t, [{}, { runtimes }]);
  await nodes[0].client.apply(makeDocument('web'), t.signal);
  await assign(store as Fixture, node2, web0);
  await report(store as Fixture, node2, web0, {});
  return { socketPath: nodes[0].socketPath, execs };
}

interface Session {
  readonly child: ChildProcess;
  readonly shown: () => string;
  readonly type: (keys: string) => void;
  readonly ended: Promise<number>;
}

/** A shell line in a terminal of 80 by 24; `muster` is this process's source. */
function open(t: TestContext, socketPath: string, line: string): Session {
  const shell = `stty cols 80 rows 24; muster() { '${process.execPath}' '${main}' "$@"; }; ${line}`;
  const env = { PATH: process.env['PATH'], TERM: 'xterm-256color', SHELL: '/bin/bash', MUSTER_SOCKET: socketPath };
  const child = spawn('script', ['-qefc', shell, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL')); // its terminal goes with it, and that ends what runs in it
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = once(child, 'close').then(([code]) => Number(code));
  const shown = () => text.replaceAll(new RegExp(`${ESC}\\[[\\d;]*m`, 'g'), ''); // without colours
  return { child, shown, type: (keys) => child.stdin?.write(keys), ended };
}

/** Notes the terminal's settings before and after; the line's exit code stays. */
const restored = (line: string) =>
  `before=$(stty -g); ${line}; code=$?; [ "$(stty -g)" = "$before" ] && echo "as before"; exit $code`;

test(
  'exec -it is a terminal: keys as they are, its size and each new one, the exit code, all restored',
  options,
  async (t) => {
    const { socketPath } = await openCluster(t);
    const script = 'trap "" INT; stty size; echo "$TERM"; read line; stty size; echo "got $line"; exit 7';
    const line = restored(`tty; muster exec -it web.0 -- sh -c '${script}'`);
    const { shown, type, ended } = open(t, socketPath, line);
    await eventually('the first size', limitMs, () => {
      if (/24 80\r+\nxterm-256color\r+\n/.test(shown())) return true;
      throw new Error(shown());
    });
    const [, terminal = ''] = /(\/dev\/pts\/\d+)/.exec(shown()) ?? [];
    spawnSync('stty', ['-F', terminal, 'cols', '120', 'rows', '50']);
    type('\u0003');
    await eventually('Ctrl-C to be echoed there, not here', limitMs, () => shown().includes('^C'));
    type('typed\r');
    assert.equal(await ended, 7, shown());
    assert.match(shown(), /50 120\r+\ngot typed\r+\n/);
    assert.match(shown(), /as before/);
  },
);

test('exec restores the terminal when it is ended by a signal, and ends the command', options, async (t) => {
  const { socketPath, execs } = await openCluster(t);
  for (const [signal, code] of [
    ['TERM', 143],
    ['INT', 130],
  ] as const) {
    const line = restored(`muster exec -it web.0 -- sh -c 'echo begun; sleep 1000'`);
    const { shown, ended, child } = open(t, socketPath, line);
    await eventually('the command', limitMs, () => shown().includes('begun'));
    const { stdout } = spawnSync('pgrep', ['-f', '--', `${main} exec -it web\\.0`], { encoding: 'utf8' });
    const own = stdout.split('\n').filter((pid) => isBelow(Number(pid), child.pid ?? 0));
    for (const pid of own) spawnSync('kill', ['-s', signal, pid]);
    assert.equal(await ended, code, shown());
    assert.match(shown(), /as before/);
    await eventually('the command to end', limitMs, () => execs.open === 0);
  }
});

/** Whether a process is one that another has started, at any remove. */
function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1; ) {
    const { stdout } = spawnSync('ps', ['-o', 'ppid=', '-p', String(at)], { encoding: 'utf8' });
    at = Number(stdout.trim());
    if (at === ancestor) return true;
  }
  return false;
}

test('exec without a terminal passes input and both outputs on, and ends by itself', options, async (t) => {
  const { socketPath } = await openCluster(t);
  const run = (argv: readonly string[], input: string) =>
    new Promise<{ stdout: string; stderr: string; code: number | null }>((resolve) => {
      const child = spawn(process.execPath, [main, 'exec', ...argv], {
        env: { PATH: process.env['PATH'], MUSTER_SOCKET: socketPath },
      });
      const texts = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const)
        child[name].setEncoding('utf8').on('data', (text: string) => {
          texts[name] += text;
        });
      child.on('close', (code) => resolve({ ...texts, code }));
      child.stdin.on('error', () => {}); // what isn't read is no failure of the writer's
      child.stdin.end(input);
    });
  const echoed = await run(['-i', 'web', '--', 'sh', '-c', 'cat; echo err >&2; exit 5'], 'over there');
  assert.deepEqual(echoed, { stdout: 'over there', stderr: 'err\n', code: 5 });
  const unread = await run(['-i', 'web.0', '--', 'true'], 'x'.repeat(1_000_000));
  assert.deepEqual(unread, { stdout: '', stderr: '', code: 0 });
  const refused = await run(['-t', 'web.0', '--', 'true'], '');
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /expected standard input and output to be a terminal/);
});

test(
  'top draws on a screen of its own, sorts by keys, and gives the terminal back on q and Ctrl-C',
  options,
  async (t) => {
    const { socketPath } = await openCluster(t);
    for (const [key, code] of [
      ['q', 0],
      ['\u0003', 130],
    ] as const) {
      const { shown, type, ended } = open(t, socketPath, restored('muster top'));
      await eventually('the instance', limitMs, () => /web\.0 .*5\.0 MiB/.test(shown()));
      assert.ok(shown().includes('\u001b[?1049h'), 'a screen of its own');
      type('m');
      await eventually('the other order', limitMs, () => shown().includes('MEMORY▼'));
      type(key);
      assert.equal(await ended, code, shown());
      assert.ok(shown().includes('\u001b[?1049l'));
      assert.match(shown(), /as before/);
    }
  },
);
