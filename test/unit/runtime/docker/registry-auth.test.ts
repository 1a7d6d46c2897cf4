import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { silentLog } from '../../../../src/loop/log.ts';
import { readRegistryAuth } from '../../../../src/runtime/docker/registry-auth.ts';

const directory = mkdtempSync(join(tmpdir(), 'muster-auth-'));
after(() => rmSync(directory, { recursive: true }));
const { signal } = new AbortController();

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function ask(registry: string, ...files: unknown[]): Promise<unknown> {
  const configPaths = files.map((file, at) => {
    const path = join(directory, `config-${at}.json`);
    writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file));
    return path;
  });
  const header = await readRegistryAuth(registry, { configPaths, log: silentLog }, signal);
  if (header === undefined) return undefined;
  assert.match(header, /^[A-Za-z0-9_=-]+$/);
  assert.equal(header.length % 4, 0, 'Docker drops credentials without padding');
  return JSON.parse(Buffer.from(header, 'base64url').toString());
}

test('readRegistryAuth() finds a registry by its host, with or without a URL around it', async () => {
  const auth = base64('me:pass:w?rd>');
  const expected = { username: 'me', password: 'pass:w?rd>', serveraddress: 'reg:5000' };
  assert.deepEqual(await ask('reg:5000', { auths: { 'reg:5000': { auth } } }), expected);
  assert.deepEqual(await ask('reg:5000', { auths: { 'https://reg:5000/v2/': { auth } } }), expected);
  assert.equal(await ask('other', { auths: { 'reg:5000': { auth } } }), undefined);
});

test('readRegistryAuth() knows where docker login files the default registry, and identity tokens', async () => {
  const auths = { 'https://index.docker.io/v1/': { auth: base64('a:b'), identitytoken: 'token' } };
  const expected = { identitytoken: 'token', serveraddress: 'https://index.docker.io/v1/' };
  assert.deepEqual(await ask('docker.io', { auths }), expected);
});

test('readRegistryAuth() passes over files that are absent, broken or know nothing', async () => {
  const good = { auths: { reg: { auth: base64('a:b') } } };
  const expected = { username: 'a', password: 'b', serveraddress: 'reg' };
  assert.deepEqual(await ask('reg', '{broken', { auths: { reg: { auth: '' } } }, {}, good), expected);
  const configPaths = [join(directory, 'none.json')];
  assert.equal(await readRegistryAuth('reg', { configPaths, log: silentLog }, signal), undefined);
});

test('readRegistryAuth() quotes nothing of a broken file in the log', async () => {
  const path = join(directory, 'broken.json');
  writeFileSync(path, '{"auths":{"reg":{"auth":hunter2}}}');
  const said: unknown[] = [];
  const log = { ...silentLog, warn: (...line: unknown[]) => said.push(line) };
  assert.equal(await readRegistryAuth('reg', { configPaths: [path], log }, signal), undefined);
  assert.match(JSON.stringify(said), /broken\.json.*expected JSON/);
  assert.doesNotMatch(JSON.stringify(said), /hunter2|auths/);
});

test('readRegistryAuth() asks the credential helper, and does without one that fails', async (context) => {
  const helper = join(directory, 'docker-credential-muster-test');
  writeFileSync(
    helper,
    '#!/bin/sh\nread server\n[ "$server" = reg ] || exit 1\necho \'{"Username":"u","Secret":"s"}\'\n',
  );
  chmodSync(helper, 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${directory}:${path}`;
  context.after(() => {
    process.env['PATH'] = path;
  });
  const expected = { username: 'u', password: 's', serveraddress: 'reg' };
  assert.deepEqual(await ask('reg', { credHelpers: { reg: 'muster-test' } }), expected);
  assert.deepEqual(await ask('reg', { credsStore: 'muster-test' }), expected);
  const fallback = { credsStore: 'muster-test', auths: { other: { auth: base64('a:b') } } };
  assert.deepEqual(await ask('other', fallback), { username: 'a', password: 'b', serveraddress: 'other' });
  assert.equal(await ask('reg', { credsStore: '../evil' }), undefined);
});
