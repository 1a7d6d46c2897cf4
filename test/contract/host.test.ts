import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBus } from '../../src/bus/open-bus.ts';
import { openHost } from '../../src/host/open-host.ts';
import { silentLog } from '../../src/loop/log.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import { eventually } from '../support/eventually.ts';
import { bootSystemdMachine, lackedBySystemdMachine, type SystemdMachine } from '../support/systemd-machine.ts';

const lacks = await lackedBySystemdMachine();
const options = { timeout: 60_000, ...(lacks === undefined ? {} : { skip: `this machine lacks ${lacks}` }) };
const never = new AbortController().signal;
const source = new URL('../../src', import.meta.url).pathname;

/** A service that greets, reports and then blocks for ever: only systemd's watchdog ends it. */
const program = `
import { openHost } from './src/host/open-host.ts';
import { silentLog } from './src/loop/log.ts';
const { pid, env: environment } = process;
const host = openHost({ bus: undefined, log: silentLog, pid, environment });
const every = host.watchdogIntervalMs;
await host.notify(['READY=1', 'STATUS=every ' + every]);
let pings = 0;
const timer = setInterval(async () => {
  await host.notify(['WATCHDOG=1', 'STATUS=ping ' + ++pings]);
  if (pings === 6) for (;;);
}, every / 2);
`;

async function withMachine(work: (machine: SystemdMachine) => Promise<void>): Promise<void> {
  const machine = await bootSystemdMachine();
  try {
    await work(machine);
  } finally {
    await machine.close();
  }
}

test('a service is ready when it says so, lives while it pings, and is killed when it blocks', options, async () => {
  await withMachine(async (machine) => {
    const show = async (property: string) =>
      (await machine.run(['systemctl', 'show', '--value', `--property=${property}`, 'ping.service'])).stdout.trim();
    const folder = join(machine.root, 'opt');
    await cp(source, join(folder, 'src'), { recursive: true });
    await cp(process.execPath, join(folder, 'node'));
    await writeFile(join(folder, 'ping.ts'), program);
    const service = [
      '[Service]',
      'Type=notify',
      'NotifyAccess=main',
      'ExecStart=/opt/node /opt/ping.ts',
      'WatchdogSec=6',
      'StandardError=file:/opt/stderr',
    ];
    await writeFile(join(machine.root, 'run/systemd/system/ping.service'), `${service.join('\n')}\n`);
    await machine.run(['systemctl', 'start', 'ping.service']); // returns once it's ready
    assert.equal(await show('ActiveState'), 'active');
    // Six pings of half a second: longer than the watchdog's span, so the pings have counted.
    await eventually('the watchdog', 20_000, async () => (await show('Result')) === 'watchdog');
    assert.equal(await show('StatusText'), 'ping 6');
    const stderr = await readFile(join(folder, 'stderr'), 'utf8');
    assert.ok(!/error/i.test(stderr.replaceAll('ExperimentalWarning', '')), stderr);
  });
});

test('a host knows its own boot, and when the machine goes down', options, async () => {
  await withMachine(async (machine) => {
    const bus = openBus({ address: machine.busAddress }, systemClock, silentLog);
    const host = openHost({ bus, log: silentLog, pid: process.pid, environment: {}, root: machine.root });
    try {
      const identity = await host.identity();
      const expected = await machine.run(['systemd-id128', 'boot-id', '--uuid']);
      assert.equal(identity.bootId, expected.stdout.trim());
      const application = '6133750b53224d6d99da30a9617abcf3';
      const printed = await machine.run(['systemd-id128', '--app-specific', application, 'machine-id']);
      assert.equal(identity.nodeId, printed.stdout.trim());
      assert.equal(await host.isShuttingDown(never), false);
      // As muster.service is: stopped before the bus is.
      const service = [
        '[Unit]',
        'After=dbus.service',
        '[Service]',
        'ExecStart=/bin/sleep 1000',
        'ExecStop=/bin/sleep 5',
      ];
      await writeFile(join(machine.root, 'run/systemd/system/late.service'), `${service.join('\n')}\n`);
      await machine.run(['systemctl', 'start', 'dbus.service', 'late.service']);
      await machine.run(['systemctl', 'stop', '--no-block', 'late.service']);
      assert.equal(await host.isShuttingDown(never), false);
      await machine.run(['systemctl', 'poweroff', '--no-block']);
      await eventually('stopping', 4_000, async () => host.isShuttingDown(never));
    } finally {
      bus.close();
    }
  });
});

test('a host throws the reason of an aborted question', options, async () => {
  const bus = openBus({ address: 'unix:path=/nowhere' }, systemClock, silentLog);
  const host = openHost({ bus, log: silentLog, pid: process.pid, environment: {} });
  const reason = new Error('told to end');
  await assert.rejects(host.isShuttingDown(AbortSignal.abort(reason)), (error) => error === reason);
  bus.close();
});
