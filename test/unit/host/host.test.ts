import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { takeAgentLock } from '../../../src/host/agent-lock.ts';
import { writeFileAtomically } from '../../../src/host/atomic-file.ts';
import { listAddresses } from '../../../src/host/list-addresses.ts';
import { makeNodeId } from '../../../src/host/node-id.ts';
import { parseProductUuid, readIdentity } from '../../../src/host/read-identity.ts';
import { watchdogIntervalMs } from '../../../src/host/sd-notify.ts';
import { command } from '../../lab/command.ts';

const machineId = 'b4f1f5a1c9e04c1aa7c0d2b6a9a1f8e3';

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'muster-host-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function machine(context: TestContext, files: Readonly<Record<string, string>>): string {
  const root = scratch(context);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('readIdentity() reads machine, boot and product', async (context) => {
  const root = machine(context, {
    'etc/machine-id': `${machineId}\n`,
    'proc/sys/kernel/random/boot_id': '7e846c6a-b985-431a-9b03-6010f7bc0309\n',
    'sys/class/dmi/id/product_uuid': 'A1B2C3D4-0000-1111-2222-333344445555\n',
  });
  const { hostname, ...identity } = await readIdentity(root);
  assert.ok(hostname.length > 0);
  assert.deepEqual(identity, {
    nodeId: makeNodeId(machineId),
    machineId,
    bootId: '7e846c6a-b985-431a-9b03-6010f7bc0309',
    productUuid: 'a1b2c3d4-0000-1111-2222-333344445555',
  });
});

test('readIdentity() does without a product, not without a machine ID', async (context) => {
  const root = machine(context, { 'etc/machine-id': machineId });
  assert.ok(!('productUuid' in (await readIdentity(root))));
  writeFileSync(join(root, 'etc/machine-id'), 'uninitialized\n');
  await assert.rejects(readIdentity(root), { code: 'INVALID_INPUT' });
});

const junk = [
  '',
  'Not Settable',
  'Not Present',
  'To Be Filled By O.E.M.',
  '00000000-0000-0000-0000-000000000000',
  'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  '03000200-0400-0500-0006-000700080009',
];
for (const text of junk) {
  test(`parseProductUuid() takes ${JSON.stringify(text)} for nothing`, () => {
    assert.equal(parseProductUuid(`${text}\n`), undefined);
  });
}

test('listAddresses() gives what others can reach, IPv4 first', () => {
  const at = (address: string, over: Partial<NetworkInterfaceInfo> = {}) =>
    ({ address, family: address.includes(':') ? 'IPv6' : 'IPv4', internal: false, ...over }) as NetworkInterfaceInfo;
  const addresses = listAddresses({
    lo: [at('127.0.0.1', { internal: true }), at('::1', { internal: true })],
    eth0: [at('2001:db8::5'), at('fe80::1'), at('10.0.0.5')],
    eth1: [at('169.254.3.4'), at('192.168.1.5'), at('10.0.0.5')],
    docker0: [at('172.17.0.1')],
    'br-0123456789ab': [at('172.18.0.1')],
    'br-lan': [at('192.168.9.1')],
    veth12ab: [at('172.19.0.1')],
    none: undefined,
  });
  assert.deepEqual(addresses, ['10.0.0.5', '192.168.1.5', '192.168.9.1', '2001:db8::5']);
});

const watchdogs: readonly (readonly [what: string, environment: object, expected: number | undefined])[] = [
  ['none is set', {}, undefined],
  ['it is set', { WATCHDOG_USEC: '30000000' }, 15_000],
  ['it is set for this process', { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' }, 15_000],
  ['it is set for another process', { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '43' }, undefined],
  ['it is zero', { WATCHDOG_USEC: '0' }, undefined],
  ['it is no number', { WATCHDOG_USEC: 'infinity' }, undefined],
];
for (const [what, environment, expected] of watchdogs) {
  test(`watchdogIntervalMs() is ${expected} where ${what}`, () => {
    assert.equal(watchdogIntervalMs(environment, 42), expected);
  });
}

test('one process has the agent lock, and whoever wants it too learns who', async (context) => {
  const path = join(scratch(context), 'run/agent.lock');
  const lock = await takeAgentLock(path, 41);
  await assert.rejects(takeAgentLock(path, 42), { code: 'CONFLICT', message: /another agent .*\(PID 41\)/ });
  lock.release();
  const next = await takeAgentLock(path, 42);
  assert.equal(readFileSync(path, 'utf8'), '42\n');
  next.release();
});

test('the agent lock is a flock that other processes see, and that no child inherits', async (context) => {
  const path = join(scratch(context), 'agent.lock');
  const lock = await takeAgentLock(path, 41);
  const tryIt = async () => (await command(['flock', '--nonblock', path, 'true'], { reject: false })).exitCode;
  assert.equal(await tryIt(), 1);
  lock.release();
  assert.equal(await tryIt(), 0);
});

test('writeFileAtomically() replaces the whole file, and leaves nothing else', async (context) => {
  const directory = join(scratch(context), 'state');
  const path = join(directory, 'store.json');
  await writeFileAtomically(path, 'a long first version');
  await writeFileAtomically(path, 'second', 0o640);
  assert.equal(readFileSync(path, 'utf8'), 'second');
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(directory), ['store.json']);
});

test('writeFileAtomically() goes on from what a crash left, and keeps the old when it can’t write', async (context) => {
  const directory = scratch(context);
  const path = join(directory, 'store.json');
  writeFileSync(join(directory, '.store.json.tmp'), 'half');
  await writeFileAtomically(path, 'whole');
  assert.deepEqual(readdirSync(directory), ['store.json']);
  mkdirSync(join(directory, 'folder'));
  await assert.rejects(writeFileAtomically(join(directory, 'folder'), 'x'));
  assert.deepEqual(readdirSync(directory).sort(), ['folder', 'store.json']);
});
