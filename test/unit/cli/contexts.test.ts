import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseContexts, parseEndpoint, writeContexts } from '../../../src/input/contexts-file.ts';
import { makeTestPki } from '../../support/test-pki.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

interface Home {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** `--ca`, `--cert` and `--key` of a certificate. */
  readonly files: readonly string[];
}

async function makeHome(t: TestContext): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-home-'));
  t.after(async () => rm(folder, { recursive: true }));
  const now = new Date('2026-01-01T00:00:00Z'); // of a fake terminal
  const pki = await makeTestPki('prod', now.getTime());
  const issued = await pki.issue({ now, lifetimeMs: 3_600_000 });
  const files: string[] = [];
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = join(folder, `${name}.pem`);
    await writeFile(path, issued[name]);
    files.push(`--${name}`, path);
  }
  return { folder, env: { XDG_CONFIG_HOME: folder }, files };
}

async function run(env: Readonly<Record<string, string>>, ...argv: readonly string[]) {
  const client = {
    version: () => Promise.resolve({ version: '1.2.3', api: 'v1' as const }),
    workloads: () => Promise.resolve({ workloads: [], problems: [] }),
  };
  const terminal = makeFakeTerminal({ env, client });
  const code = await terminal.run(...argv);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr(), asked: terminal.sockets };
}

/** Where a command would ask. */
async function asked(env: Readonly<Record<string, string>>, ...argv: readonly string[]): Promise<string> {
  const { asked: sockets, stderr } = await run(env, ...argv, 'ls');
  return sockets[0] ?? stderr;
}

test('a context is added, used, shown, listed and forgotten', async (t) => {
  const { env, folder, files } = await makeHome(t);
  assert.match((await run(env, 'context', 'ls')).stdout, /^local +yes/m);
  const added = await run(env, 'context', 'add', 'prod', '--endpoint', 'https://10.0.0.1', ...files);
  assert.equal(added.code, 0, added.stderr);
  assert.equal((await stat(join(folder, 'muster', 'contexts.yaml'))).mode & 0o777, 0o600);
  assert.equal(await asked(env), '/run/muster/muster.sock', 'not in use yet');
  assert.equal((await run(env, 'context', 'use', 'prod')).code, 0);
  assert.equal(await asked(env), 'https://10.0.0.1:2773');
  const listed = await run(env, 'context', 'ls', '--utc');
  assert.match(
    listed.stdout,
    /^prod +yes +prod +operator anna +https:\/\/10\.0\.0\.1 +valid, until 2026-01-01 01:00:00Z$/m,
  );
  const shown = await run(env, 'context', 'show');
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, /^Context: +prod\n[\s\S]*^As: +operator anna$/m);
  const late = makeFakeTerminal({ env });
  await late.clock.advance(7_200_000);
  assert.equal(await late.run('context', 'show'), 1, 'its certificate has ended');
  assert.equal((await run(env, 'context', 'use', 'local')).code, 0);
  assert.equal(await asked(env), '/run/muster/muster.sock');
  await run(env, 'context', 'use', 'prod');
  assert.equal((await run(env, 'context', 'rm', 'prod')).code, 0);
  assert.equal(await asked(env), '/run/muster/muster.sock');
  assert.equal(await readFile(join(folder, 'key.pem'), 'utf8').then((text) => text !== ''), true, 'its files stay');
});

test('of all that says where to ask the nearest counts', async (t) => {
  const { env, folder, files } = await makeHome(t);
  await run(env, 'context', 'add', 'prod', '--endpoint', 'https://prod.example:1', ...files, '--use');
  await run(env, 'context', 'add', 'other', '--endpoint', 'unix:///run/other.sock');
  const pem = (name: string) => join(folder, `${name}.pem`);
  const endpoint = {
    MUSTER_ENDPOINT: 'https://[::1]:9',
    MUSTER_CA: pem('ca'),
    MUSTER_CERT: pem('cert'),
    MUSTER_KEY: pem('key'),
  };
  const socket = { MUSTER_SOCKET: '/run/variable.sock' };
  const named = { MUSTER_CONTEXT: 'other' };
  assert.equal(
    await asked({ ...env, ...endpoint, ...socket, ...named }, '--socket', '/run/flag.sock'),
    '/run/flag.sock',
  );
  assert.equal(
    await asked({ ...env, ...endpoint, ...socket, ...named }, '--context', 'prod'),
    'https://prod.example:1',
  );
  assert.equal(await asked({ ...env, ...endpoint, ...socket, ...named }), 'https://[::1]:9');
  assert.equal(await asked({ ...env, ...socket, ...named }), '/run/variable.sock');
  assert.equal(await asked({ ...env, ...named }), '/run/other.sock');
  assert.equal(await asked({ ...env, MUSTER_CONTEXT: 'local' }), '/run/muster/muster.sock');
  assert.equal(await asked(env), 'https://prod.example:1');
  assert.equal(await asked({ ...env, MUSTER_ENDPOINT: 'unix:///run/e.sock' }), '/run/e.sock');
  assert.equal(await asked({ XDG_CONFIG_HOME: join(folder, 'nothing') }), '/run/muster/muster.sock');
});

test('what can’t lead anywhere is refused with the reason', async (t) => {
  const { env, folder, files } = await makeHome(t);
  await run(env, 'context', 'add', 'prod', '--endpoint', 'https://10.0.0.1', ...files);
  const cases: readonly (readonly [env: Record<string, string>, argv: string[], code: number, says: RegExp])[] = [
    [{}, ['ls', '--context', 'prud'], 1, /Cannot find the context "prud" \(--context\).*did you mean "prod"/],
    [{ MUSTER_CONTEXT: 'nowhere' }, ['ls'], 1, /"nowhere" \(MUSTER_CONTEXT\)/],
    [{}, ['ls', '--context', 'prod', '--socket', '/x'], 2, /expected one of them/],
    [{ MUSTER_ENDPOINT: 'https://10.0.0.1:2773' }, ['ls'], 2, /expected MUSTER_CA, MUSTER_CERT and MUSTER_KEY/],
    [
      { MUSTER_ENDPOINT: 'http://10.0.0.1:2773', MUSTER_CA: 'a', MUSTER_CERT: 'b', MUSTER_KEY: 'c' },
      ['ls'],
      1,
      /expected https:\/\/host:port or unix:/,
    ],
    [{}, ['context', 'add', 'local', '--endpoint', 'unix:///x'], 1, /expected another name/],
    [{}, ['context', 'add', '../x', '--endpoint', 'unix:///x'], 1, /Cannot use the context name/],
    [{}, ['context', 'add', 'prod', '--endpoint', 'unix:///x'], 1, /it is there already, expected --force/],
    [{}, ['context', 'add', 'x', '--endpoint', 'https://h'], 2, /expected --ca, --cert and --key/],
    [{}, ['context', 'add', 'x'], 2, /expected --endpoint/],
    [
      {},
      ['context', 'add', 'x', '--endpoint', 'https://h', '--ca', '/no', '--cert', '/no', '--key', '/no'],
      1,
      /Cannot read "\/no"/,
    ],
    [{}, ['context', 'use', 'nobody'], 1, /Cannot find the context "nobody"/],
    [{}, ['context', 'rm', 'nobody'], 1, /Cannot find the context "nobody"/],
    [{}, ['context', 'show', 'nobody'], 1, /Cannot find the context "nobody"/],
  ];
  for (const [more, argv, code, says] of cases) {
    const refused = await run({ ...env, ...more }, ...argv);
    assert.match(refused.stderr, says, argv.join(' '));
    assert.equal(refused.code, code, argv.join(' '));
  }
  await writeFile(join(folder, 'muster', 'contexts.yaml'), 'contexts: [');
  assert.match((await run(env, 'ls')).stderr, /Cannot read .*contexts\.yaml: expected YAML/);
});

const files: readonly (readonly [name: string, text: string, says: RegExp])[] = [
  ['an unknown key', 'currant: x\n', /expected "current" and "contexts", not "currant"/],
  ['a list', '- a\n', /expected a map/],
  ['a context without endpoint', 'contexts: {a: {}}\n', /context "a" in f: expected an endpoint/],
  ['a context with an unknown key', 'contexts: {a: {endpoint: "unix:///x", password: x}}\n', /not "password"/],
  ['TLS without files', 'contexts: {a: {endpoint: "https://h:1"}}\n', /expected ca, cert and key with https/],
  ['a name with a slash', 'contexts: {a/b: {endpoint: "unix:///x"}}\n', /Cannot use the context name/],
];
for (const [name, text, says] of files) {
  test(`parseContexts() refuses ${name}`, () => {
    assert.throws(() => parseContexts(text, 'f'), says);
  });
}

test('parseContexts() reads what writeContexts() writes', () => {
  const file = {
    current: 'a',
    contexts: new Map([
      ['a', { endpoint: 'https://h:1', ca: '/ca', cert: '/cert', key: '/key' }],
      ['b', { endpoint: 'unix:///run/x.sock' }],
    ]),
  };
  assert.deepEqual(parseContexts(writeContexts(file), 'f'), file);
  assert.deepEqual(parseContexts('', 'f'), { current: undefined, contexts: new Map() });
});

test('parseEndpoint() knows https and unix, and the usual port', () => {
  assert.deepEqual(parseEndpoint('https://h'), { url: 'https://h:2773' });
  assert.deepEqual(parseEndpoint('https://[fd00::1]:9'), { url: 'https://[fd00::1]:9' });
  assert.deepEqual(parseEndpoint('unix:///run/x.sock'), { socketPath: '/run/x.sock' });
  for (const text of [
    '',
    'h:1',
    'http://h',
    'https://u:p@h',
    'https://h/path',
    'https://h?x',
    'unix://run/x',
    'ftp://h',
  ])
    assert.throws(() => parseEndpoint(text), /expected https:\/\/host:port or unix:\/\/\/path/, text);
});
