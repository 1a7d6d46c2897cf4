import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execBesideUnit, parseEnvironment, stopUnit } from '../../../../src/runtime/systemd/exec-unit.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

test('parseEnvironment() takes the variables of a unit, and none by which it could act as root', () => {
  const given = [
    'HOME=/var/lib/x',
    'EMPTY=',
    'TEXT=a=b\nc',
    'nothing',
    '=none',
    ...['LD_PRELOAD=/tmp/evil.so', 'LD_LIBRARY_PATH=/tmp', 'GLIBC_TUNABLES=x', 'GCONV_PATH=/tmp', 'BASH_ENV=/tmp/evil'],
    ...['LANGUAGE=../../tmp', 'OPENSSL_CONF=/tmp/evil', 'OPENSSL_MODULES=/tmp', 'OPENSSL_ENGINES=/tmp', 'LANG=C.UTF-8'],
    ...['SYSTEMD_LOG_TARGET=x', 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/tmp/x', 'NOTIFY_SOCKET=/run/x', 'LISTEN_FDS=1'],
    '',
  ];
  assert.deepEqual(parseEnvironment(Buffer.from(given.join('\0'))), {
    HOME: '/var/lib/x',
    LANG: 'C.UTF-8',
    EMPTY: '',
    TEXT: 'a=b\nc',
  });
});

/** What begins a command, as it's called: a program that says its arguments stands before it. */
async function commandBeside(unit: string): Promise<readonly string[]> {
  const enter = ['/usr/bin/printf', '%s\\n'];
  const target = { unit, pid: process.pid, slice: 'system.slice', root: '', enter, stopScope: async () => {} };
  const session = await execBesideUnit(target, { command: ['true'], input: false });
  const texts: string[] = [];
  for await (const { data } of session.output) texts.push(Buffer.from(data).toString());
  assert.equal(await session.exitCode(), 0);
  await session.close();
  return texts.join('').split('\n');
}

test('a command is bound to its unit also where the name has a backslash, which systemd-run takes for an escape', async () => {
  const plain = await commandBeside('web@1.service');
  for (const property of ['BindsTo', 'After'])
    assert.ok(plain.includes(`--property=${property}=web@1.service`), property);
  const escaped = await commandBeside('a\\x2db.service');
  for (const property of ['BindsTo', 'After'])
    assert.ok(escaped.includes(`--property=${property}=a\\\\x2db.service`), escaped.join(' '));
});

test('stopUnit() waits until the unit is gone, not for ever, and takes one that is unknown as gone', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  let left = 3;
  const manager = { stopUnit: async () => '/job/1', isLoaded: async () => left-- > 0 };
  let isOver = false;
  const stopping = stopUnit(manager, 'x.scope', clock, signal).then(() => {
    isOver = true;
  });
  await clock.advance(0);
  assert.equal(isOver, false);
  await clock.advance(200);
  await stopping;
  await stopUnit({ stopUnit: async () => undefined, isLoaded: async () => true }, 'x.scope', clock, signal);
  const stuck = stopUnit({ stopUnit: async () => '/job/2', isLoaded: async () => true }, 'x.scope', clock, signal);
  await clock.advance(5_000);
  await stuck;
});
