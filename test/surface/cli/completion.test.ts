import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { completionScripts } from '../../../src/cli/completion-scripts.ts';
import type { WorkloadName } from '../../../src/domain/ids.ts';
import type { NodeRow } from '../../../src/wire/answers.ts';
import type { Client } from '../../../src/wire/client.ts';
import { makeFakeTerminal, makeRow, makeWorkloadRow, node1, node2 } from '../../unit/cli/fake-terminal.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const run = promisify(execFile);

const nodes = [node1, node2].map((node) => ({ ...node, state: 'up', leader: node === node1 }) as NodeRow);
const workloads = [makeWorkloadRow(), makeWorkloadRow({ name: 'hello@1.service' as WorkloadName })];
const rows = [makeRow(), makeRow({ display: 'hello@1.service' })];
const client: Partial<Client> = {
  nodes: () => Promise.resolve({ nodes, problems: [] }),
  workloads: () => Promise.resolve({ workloads, problems: [] }),
  instances: () => Promise.resolve({ rows, problems: [] }),
};

const cases: [typed: string, has: readonly string[], hasNot: readonly string[]][] = [
  ['', ['apply', 'node', 'ps', 'status'], ['web', 'list']],
  ['sta', ['start', 'status'], ['stop']],
  ['node ', ['ls', 'drain', 'uncordon'], ['apply', 'node1']],
  ['workload ', ['scale', 'start', 'stop'], ['status', 'ps']],
  ['--socket /x st', ['start', 'stop'], ['web']],
  ['ps --', ['--node', '--phase', '--label', '--json', '--watch'], ['--follow']],
  ['ps --phase ', ['running', 'failed'], ['up']],
  ['node ls --phase ', ['up', 'lost'], ['failed']],
  ['events --', ['--node', '--phase', '--label', '--since'], ['--wide']],
  ['events --phase ', ['pending', 'failed'], ['pulling']],
  ['history web --phase ', ['running'], ['lost']],
  ['top --', ['--node', '--phase', '--label', '--sort'], ['--wide']],
  ['top --sort ', ['cpu', 'name'], ['web']],
  ['ps --node ', ['node1', 'node2'], ['web']],
  ['ps -n node', ['node1', 'node2'], []],
  ['ps ', ['web', 'web.0', 'hello@1.service'], ['node1']],
  ['ps --wide ', ['web'], ['node1']],
  ['ps web ', [], ['web']],
  ['inspect ', ['web', 'web.0', 'node1'], []],
  ['describe no', ['node1'], ['web']],
  ['stop web ', ['web', 'hello@1.service'], ['web.0']],
  ['stop --timeout ', ['5m'], ['web']],
  ['node drain ', ['node1'], ['web']],
  ['apply ', [':files'], ['web']],
  ['help no', ['node'], ['web']],
  ['completion ', ['bash', 'fish', 'zsh'], []],
  ['nosuch ', [], ['web', 'ps']],
];
for (const [typed, has, hasNot] of cases) {
  test(`"muster ${typed}" is completed${has.length === 0 ? ' with nothing' : ` with ${has.join(', ')}`}`, async () => {
    const terminal = makeFakeTerminal({ client });
    assert.equal(await terminal.run('__complete', ...typed.split(' ')), 0);
    const words = terminal
      .stdout()
      .split('\n')
      .map((line) => line.split('\t')[0] ?? '');
    for (const word of has) assert.ok(words.includes(word), `${word} is not in ${words.join(' ')}`);
    for (const word of hasNot) assert.ok(!words.includes(word), `${word} is in ${words.join(' ')}`);
  });
}

test('completion says of each name what it is, and asks the agent that the line talks to', async () => {
  const terminal = makeFakeTerminal({ client });
  await terminal.run('__complete', '--socket', '/other.sock', 'node', 'cordon', 'node1');
  assert.equal(terminal.stdout(), 'node1\tup, leads\n');
  assert.deepEqual(terminal.sockets, ['/other.sock']);
});

test('completion is silent while the agent is away, and does not wait for one that hangs', async () => {
  const away = makeFakeTerminal({ client: { nodes: () => Promise.reject(new Error('away')) } });
  assert.equal(await away.run('__complete', 'node', 'cordon', ''), 0);
  assert.deepEqual([away.stdout(), away.stderr()], ['', '']);
  const hangs: Client['nodes'] = (_, signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const slow = makeFakeTerminal({ client: { nodes: hangs } });
  const ended = slow.run('__complete', 'node', 'cordon', '');
  await slow.clock.advance(1_500);
  assert.equal(await ended, 0);
});

test('muster completion prints a script for each shell, and refuses another one', async () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const terminal = makeFakeTerminal();
    assert.equal(await terminal.run('completion', shell), 0);
    assert.equal(terminal.stdout(), completionScripts[shell]);
  }
  assert.equal(await makeFakeTerminal().run('completion', 'tcsh'), 2);
});

/** A folder with `muster` on the path, the script of a shell, and an agent that knows names. */
async function makePlace(t: TestContext, shell: keyof typeof completionScripts) {
  const folder = mkdtempSync(join(tmpdir(), 'muster-shell-'));
  writeFileSync(join(folder, 'muster'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  chmodSync(join(folder, 'muster'), 0o755);
  writeFileSync(join(folder, 'script'), completionScripts[shell]);
  writeFileSync(join(folder, 'hello.service'), '');
  const answers: Record<string, object> = {
    '/v1/nodes': { nodes, problems: [] },
    '/v1/workloads': { workloads, problems: [] },
    '/v1/instances': { rows, problems: [] },
  };
  const server = createServer(({ url }, response) => response.end(JSON.stringify(answers[url ?? ''] ?? {})));
  server.listen(join(folder, 'api.sock'));
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, HOME: folder, MUSTER_SOCKET: join(folder, 'api.sock') };
  return { folder, options: { env, cwd: folder } };
}

test('bash completes commands, names with @ in them, and files', async (t) => {
  const { options } = await makePlace(t, 'bash');
  const complete = async (line: string): Promise<string[]> => {
    const script = `source ./script; COMP_LINE=$1 COMP_POINT=\${#1}; COMP_WORDS=($1); _muster; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await run('bash', ['--norc', '-c', script, 'bash', line], options);
    return stdout.split('\n').filter((word) => word !== '');
  };
  assert.deepEqual(await complete('muster node unc'), ['uncordon']);
  assert.deepEqual(await complete('muster stop '), ['web', 'hello@1.service']);
  assert.deepEqual(await complete('muster stop hello@'), ['1.service'], 'readline has a new word after the @');
  assert.deepEqual(await complete('muster ps --node '), ['node1', 'node2']);
  assert.deepEqual(await complete('muster apply hel'), ['hello.service']);
});

const has = (shell: string) => spawnSync(shell, ['--version'], { stdio: 'ignore' }).status === 0;

test('zsh takes its script', { skip: has('zsh') ? false : 'lacks zsh (Debian: zsh)' }, async (t) => {
  const { options } = await makePlace(t, 'zsh');
  // compadd is where zsh's own functions hand over what they found.
  const script = [
    'autoload -U compinit; compinit -u -D; source ./script',
    '_describe() { print -l -- "${(@P)3}" }; _files() { print -- files }',
    'words=(muster stop ""); CURRENT=3; _muster',
    'words=(muster apply ""); CURRENT=3; _muster',
  ].join('\n');
  const { stdout } = await run('zsh', ['-f', '-c', script], options);
  assert.match(stdout, /^hello@1\.service:run, 1 of 1 healthy$/m);
  assert.match(stdout, /^web:run/m);
  assert.match(stdout, /^files$/m);
});

test('zsh finds its script by itself in a folder of its path', {
  skip: has('zsh') ? false : 'lacks zsh',
}, async (t) => {
  const { options, folder } = await makePlace(t, 'zsh');
  renameSync(join(folder, 'script'), join(folder, '_muster'));
  const script = [
    'fpath=($PWD $fpath); autoload -U compinit; compinit -u -D',
    '_describe() { print -l -- "${(@P)3}" }; _files() { print -- files }',
    'print -- $_comps[muster]; words=(muster stop ""); CURRENT=3; _muster',
  ].join('\n');
  const { stdout } = await run('zsh', ['-f', '-c', script], options);
  assert.match(stdout, /^_muster\nweb:run.*\nhello@1\.service:run, 1 of 1 healthy$/m);
});

test('fish completes by its script', { skip: has('fish') ? false : 'lacks fish (Debian: fish)' }, async (t) => {
  const { options } = await makePlace(t, 'fish');
  const complete = async (line: string): Promise<string> =>
    (await run('fish', ['--no-config', '-c', `source ./script; complete -C '${line}'`], options)).stdout;
  assert.match(await complete('muster stop '), /^hello@1\.service\trun, 1 of 1 healthy$/m);
  assert.match(await complete('muster node unc'), /^uncordon\t/m);
  assert.match(await complete('muster apply hel'), /^hello\.service/m);
});
