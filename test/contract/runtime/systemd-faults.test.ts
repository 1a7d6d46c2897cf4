import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { openBus } from '../../../src/bus/open-bus.ts';
import type { Bus } from '../../../src/bus/port.ts';
import type { ClusterId, InstanceKey } from '../../../src/domain/ids.ts';
import type { DisconnectMode } from '../../../src/domain/spec.ts';
import type { ObservedInstance } from '../../../src/domain/status.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import type { Runtime } from '../../../src/runtime/port.ts';
import { openSystemdRuntime } from '../../../src/runtime/systemd/open-systemd-runtime.ts';
import { eventually } from '../../support/eventually.ts';
import { bootSystemdMachine, lackedBySystemdMachine, type SystemdMachine } from '../../support/systemd-machine.ts';

// What the contract can't ask of every runtime: systemd's own faults and features, on a real one.

const lacks = await lackedBySystemdMachine();
const options = { timeout: 60_000, ...(lacks === undefined ? {} : { skip: `this machine lacks ${lacks}` }) };
const never = new AbortController().signal;
const sleeping = '[Service]\nExecStart=/bin/sleep 100000\n';

// Not at the top of the file: where no test is wanted, what is started there is never ended.
suite('systemd that fails', () => {
  let machine: SystemdMachine;
  let bus: Bus;
  let runtime: Runtime;

  before(async () => {
    if (lacks !== undefined) return;
    machine = await bootSystemdMachine();
    // Without it no `stop` instance starts; the switch that goes with it has its own tests.
    await writeFile(join(machine.root, 'etc/systemd/system/muster-lease.target'), '[Unit]\n');
    await machine.run(['systemctl', 'start', 'muster-lease.target']);
    bus = openBus({ address: machine.busAddress }, systemClock, silentLog);
    runtime = open();
  });

  after(async () => {
    if (lacks !== undefined) return;
    runtime.close();
    bus.close();
    await machine.close();
  });

  function open(): Runtime {
    return openSystemdRuntime({
      clusterId: 'ours' as ClusterId,
      bus,
      clock: systemClock,
      log: silentLog,
      monotonicUs: () => Number(process.hrtime.bigint() / 1000n),
      root: machine.root,
      journalctl: machine.journalctl,
      enter: machine.enter,
    });
  }

  interface Start {
    readonly text?: string;
    readonly disconnect?: DisconnectMode;
    readonly signal?: AbortSignal;
  }

  function key(name: string): InstanceKey {
    return `${name}/0` as InstanceKey;
  }

  async function start(
    name: string,
    { text = sleeping, disconnect = 'keep', signal = never }: Start = {},
  ): Promise<void> {
    const order = { key: key(name), specHash: 'h', disconnect, assignmentRevision: 1, environment: {} };
    await runtime.start({ ...order, run: { kind: 'unit', text } }, () => {}, signal);
  }

  async function end(name: string): Promise<void> {
    await runtime.stop(key(name), never);
    await runtime.remove(key(name), never);
  }

  async function find(name: string): Promise<ObservedInstance | undefined> {
    return (await runtime.observe(never)).find((instance) => instance.key === key(name));
  }

  /** The command that lasts until it's told that it may end. */
  const lasting = "/bin/sh -c 'until rm /run/may-end 2>/dev/null; do sleep 0.05; done'";

  async function letEnd(): Promise<void> {
    await writeFile(join(machine.root, 'run/may-end'), '');
  }

  async function show(unit: string, property: string): Promise<string> {
    return (await machine.run(['systemctl', 'show', '--value', `--property=${property}`, unit])).stdout.trim();
  }

  /** Counts what the runtime tells of while `work` runs. */
  async function watched(work: (changes: () => number) => Promise<void>): Promise<void> {
    const stop = new AbortController();
    let changes = 0;
    const running = runtime.run(() => {
      changes += 1;
    }, stop.signal);
    try {
      await work(() => changes);
    } finally {
      stop.abort();
      await running;
    }
  }

  /** Its process is the same, its end is noticed, and new work is possible. */
  async function assertUndisturbed(name: string, pid: number | undefined, changes: () => number): Promise<void> {
    await eventually('the same process', 10_000, async () => (await find(name))?.pid === pid);
    const before = changes();
    await machine.run(['systemctl', 'kill', '--signal=KILL', name]);
    await eventually('the end to be told', 10_000, () => changes() > before);
    await eventually('the end', 10_000, async () => (await find(name))?.phase === 'failed');
    await eventually('a new start', 10_000, async () => start(name).then(() => true));
    assert.equal((await find(name))?.phase, 'running');
  }

  const faults: readonly (readonly [what: string, command: readonly string[]])[] = [
    ['systemd reads all files again', ['systemctl', 'daemon-reload']],
    ['systemd executes itself anew', ['systemctl', 'daemon-reexec']],
    ['the bus daemon is killed', ['systemctl', 'kill', '--signal=KILL', 'dbus.service']],
  ];
  for (const [what, command] of faults) {
    test(`the systemd runtime carries on when ${what}`, options, async () => {
      await start('steady.service');
      const { pid } = (await find('steady.service')) ?? {};
      await watched(async (changes) => {
        const before = changes();
        await machine.run(command);
        await eventually('to be told', 10_000, () => changes() > before);
        await assertUndisturbed('steady.service', pid, changes);
      });
      await end('steady.service');
    });
  }

  test('without a bus nothing is observed, stopped or removed, and nothing is lost', options, async () => {
    await start('steady.service');
    const { pid } = (await find('steady.service')) ?? {};
    await machine.run(['systemctl', 'stop', 'dbus.socket', 'dbus.service']);
    await eventually('to be told', 10_000, () =>
      runtime.observe(never).then(
        () => false,
        (error: unknown) => (error as { code?: unknown }).code === 'UNAVAILABLE',
      ),
    );
    await assert.rejects(runtime.stop(key('steady.service'), never), { code: 'UNAVAILABLE' });
    await assert.rejects(runtime.remove(key('steady.service'), never), { code: 'UNAVAILABLE' });
    await assert.rejects(start('other.service'), { code: 'UNAVAILABLE' });
    await machine.run(['systemctl', 'start', 'dbus.socket']);
    await eventually('the same process', 10_000, async () => (await find('steady.service'))?.pid === pid);
    assert.equal(await find('other.service'), undefined);
    await end('steady.service');
  });

  test('a start that waits is told when the bus goes, and can be repeated', options, async () => {
    const text = `[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=${lasting}\n`;
    const lost = assert.rejects(start('slow.service', { text }), { code: 'UNAVAILABLE' });
    await eventually('the job', 10_000, async () => (await find('slow.service'))?.phase === 'starting');
    await machine.run(['systemctl', 'kill', '--signal=KILL', 'dbus.service']);
    await lost;
    await eventually('the bus back', 10_000, async () => (await find('slow.service'))?.phase === 'starting');
    const repeated = eventually('a repeated start', 10_000, async () =>
      start('slow.service', { text }).then(() => true),
    );
    await Promise.all([repeated, letEnd()]);
    assert.equal((await find('slow.service'))?.phase, 'running');
    assert.equal(await show('slow.service', 'NRestarts'), '0');
    await end('slow.service');
  });

  test('an aborted slow start goes on until it is stopped, and was never started since', options, async () => {
    const abort = new AbortController();
    const text = '[Service]\nType=oneshot\nExecStart=/bin/sleep 100000\n';
    const reason = new Error('enough');
    const starting = assert.rejects(start('slow.service', { text, signal: abort.signal }), (error) => error === reason);
    await eventually('the job', 10_000, async () => (await find('slow.service'))?.phase === 'starting');
    abort.abort(reason);
    await starting;
    assert.equal((await find('slow.service'))?.phase, 'starting');
    await runtime.stop(key('slow.service'), never);
    const left = await find('slow.service');
    assert.deepEqual([left?.phase === 'starting', left?.everStarted], [false, false]);
    await runtime.remove(key('slow.service'), never);
  });

  test('a stop that nobody waits for to the end is an ordered stop all the same', options, async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    await start('slow.service', { text: `${sleeping}ExecStop=${lasting}\n` });
    const stopping = assert.rejects(runtime.stop(key('slow.service'), abort.signal), (error) => error === reason);
    await eventually('the job', 10_000, async () => (await find('slow.service'))?.phase === 'stopping');
    abort.abort(reason);
    await stopping;
    await letEnd();
    await eventually('its end', 10_000, async () => (await find('slow.service'))?.phase !== 'stopping');
    assert.equal((await find('slow.service'))?.everStarted, false);
    await runtime.remove(key('slow.service'), never);
  });

  test('a start of one hundred units at once makes no reload', options, async () => {
    const property = '--property=UnitsLoadFinishTimestampMonotonic';
    const loads = async () => (await machine.run(['systemctl', 'show', property])).stdout;
    const before = await loads();
    const names = Array.from({ length: 100 }, (_, index) => `many-${index}.service`);
    await Promise.all(names.map(async (name) => start(name)));
    const seen = await runtime.observe(never);
    assert.equal(seen.filter(({ phase }) => phase === 'running').length, 100);
    assert.equal(await loads(), before);
    const later = open();
    assert.deepEqual(new Set((await later.observe(never)).map(({ pid }) => pid)), new Set(seen.map(({ pid }) => pid)));
    later.close();
    await Promise.all(names.map(end));
    assert.deepEqual(await runtime.observe(never), []);
  });

  test('a unit of the host starting and ending tells nothing', options, async () => {
    await start('steady.service');
    await find('steady.service');
    await watched(async (changes) => {
      const before = changes();
      await machine.run(['systemd-run', '--wait', '--quiet', '--unit=other', 'true']);
      await machine.run(['systemctl', 'kill', '--signal=STOP', 'steady.service']); // nothing of state
      assert.equal(changes(), before);
    });
    await end('steady.service');
  });

  test('a changed disconnect mode of a running unit takes effect once it was stopped', options, async () => {
    const text = '[Service]\nExecStart=/bin/sleep 100000\nRestart=always\nRestartSec=100ms\n';
    await start('mode.service', { text });
    const { pid, restartsItself } = (await find('mode.service')) ?? {};
    assert.equal(restartsItself, true);
    assert.equal(await show('mode.service', 'Restart'), 'always');
    await assert.rejects(start('mode.service', { text, disconnect: 'stop' }), { code: 'CONFLICT' });
    const still = await find('mode.service');
    assert.deepEqual([still?.pid, still?.disconnect], [pid, 'keep']);
    await runtime.stop(key('mode.service'), never);
    await start('mode.service', { text, disconnect: 'stop' });
    const now = await find('mode.service');
    assert.deepEqual([now?.disconnect, now?.restartsItself], ['stop', false]);
    assert.equal(await show('mode.service', 'Restart'), 'no');
    assert.match(await show('mode.service', 'ControlGroup'), /muster\.slice\/muster-stop\.slice\/mode\.service$/);
    await end('mode.service');
  });

  test('a unit that restarts itself is starting in between, and counts', options, async () => {
    const text =
      '[Service]\nExecStart=/bin/sh -c "exit 4"\nRestart=always\nRestartSec=300ms\nStartLimitIntervalSec=0\n';
    await start('loop.service', { text });
    const seen = await eventually('a restart', 10_000, async () => {
      const instance = await find('loop.service');
      const isBetween = instance?.phase === 'starting' && instance.error !== undefined; // not just being started
      return (instance?.runtimeRestarts ?? 0) > 1 && isBetween ? instance : undefined;
    });
    assert.match(seen.error ?? '', /exited with status 4/);
    await end('loop.service');
  });

  test('a unit whose start waits for its turn is starting, and a stop takes the start back', options, async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const slow = '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep infinity\n';
    const later = `[Unit]\nAfter=slow.service\n${sleeping}`;
    const starts = [start('slow.service', { text: slow, signal: abort.signal })];
    await eventually('the first job', 10_000, async () => (await find('slow.service'))?.phase === 'starting');
    starts.push(start('later.service', { text: later, signal: abort.signal }));
    await eventually('the second job', 10_000, async () => (await find('later.service'))?.phase === 'starting');
    const ends = Promise.allSettled(starts);
    abort.abort(reason);
    await ends;
    assert.equal((await find('later.service'))?.phase, 'starting', 'its job still waits');
    await end('later.service');
    await end('slow.service');
    assert.equal(await show('later.service', 'ActiveState'), 'inactive');
  });

  test('[Install] is honoured in /run and taken back', options, async () => {
    const sidekick = `${sleeping}[Install]\nWantedBy=main.service multi-user.target\nAlias=nick.service\n`;
    await start('main.service');
    await start('sidekick.service', { text: sidekick });
    const folder = join(machine.root, 'run/systemd/system');
    assert.ok(readdirSync(join(folder, 'main.service.wants')).includes('sidekick.service'));
    assert.equal(await show('nick.service', 'Id'), 'sidekick.service');
    await machine.run(['systemctl', 'stop', 'main.service', 'sidekick.service']);
    await start('main.service');
    await eventually('the sidekick', 10_000, async () => (await find('sidekick.service'))?.phase === 'running');
    await end('sidekick.service');
    await end('main.service');
    assert.ok(!existsSync(join(folder, 'nick.service')));
    assert.ok(!existsSync(join(folder, 'main.service.wants/sidekick.service')));
    assert.ok(!existsSync(join(folder, 'multi-user.target.wants/sidekick.service')));
  });

  const hostile: readonly (readonly [what: string, section: string])[] = [
    ['an alias of a unit of the host', 'Alias=dbus.service'],
    ['an alias made of its instance', 'Alias=%i.service'],
    ['Also= of a unit of the host', 'Also=systemd-journald.service'],
  ];
  for (const [what, section] of hostile) {
    test(`[Install] with ${what} is refused`, options, async () => {
      const order = { specHash: 'h', disconnect: 'keep', assignmentRevision: 1, environment: {} } as const;
      const run = { kind: 'unit', text: `${sleeping}[Install]\n${section}\n` } as const;
      const starting = runtime.start({ ...order, key: 'bad@.service/dbus' as InstanceKey, run }, () => {}, never);
      await assert.rejects(starting, { code: 'CONFLICT' });
      assert.ok(!existsSync(join(machine.root, 'run/systemd/system/bad@dbus.service')));
      assert.ok(!existsSync(join(machine.root, 'run/systemd/system/dbus.service')));
    });
  }

  test('a unit that the host runs without a file is not taken over', options, async () => {
    await machine.run(['mkdir', '-p', '/mnt/x']);
    await machine.run(['mount', '-t', 'tmpfs', 'tmpfs', '/mnt/x']);
    await eventually('the mount unit', 10_000, async () => (await show('mnt-x.mount', 'ActiveState')) === 'active');
    const text = '[Mount]\nWhat=tmpfs\nWhere=/mnt/x\nType=tmpfs\n';
    await assert.rejects(start('mnt-x.mount', { text }), { code: 'CONFLICT', message: /host itself runs one/ });
    await end('mnt-x.mount');
    assert.equal(await show('mnt-x.mount', 'ActiveState'), 'active');
    await machine.run(['umount', '/mnt/x']);
  });

  test('an instance of a template of the host is not taken over', options, async () => {
    const instance = { specHash: 'h', disconnect: 'keep', assignmentRevision: 1, environment: {} } as const;
    const order = {
      ...instance,
      key: 'getty@.service/tty9' as InstanceKey,
      run: { kind: 'unit', text: sleeping } as const,
    };
    await assert.rejects(
      runtime.start(order, () => {}, never),
      { code: 'CONFLICT', message: /getty@\.service/ },
    );
  });

  test('units of other types live the same life', options, async () => {
    const units: readonly (readonly [name: string, text: string])[] = [
      ['tick.timer', '[Timer]\nOnActiveSec=1h\nUnit=many.service\n'],
      ['wait.socket', '[Socket]\nListenStream=/run/wait.sock\nService=many.service\n'],
      ['look.path', '[Path]\nPathExists=/nowhere\nUnit=many.service\n'],
      ['mnt-y.mount', '[Mount]\nWhat=tmpfs\nWhere=/mnt/y\nType=tmpfs\n'],
    ];
    await start('many.service', { text: sleeping });
    await runtime.stop(key('many.service'), never);
    for (const [name, text] of units) {
      await start(name, { text });
      assert.equal((await find(name))?.phase, 'running', name);
      await runtime.stop(key(name), never);
      assert.equal((await find(name))?.phase, 'stopped', name);
      await runtime.remove(key(name), never);
      assert.equal(await find(name), undefined, name);
    }
    await end('many.service');
  });

  test(
    'a unit whose text systemd refuses says so, can be removed, and comes right with another text',
    options,
    async () => {
      const bad = start('broken.service', { text: '[Service]\nType=oneshot\nExecStart=relative/path %Q\n' });
      await assert.rejects(bad, { code: 'INTERNAL', message: /Cannot start unit "broken.service"/ });
      assert.equal((await find('broken.service'))?.phase, 'failed');
      await end('broken.service');
      await start('broken.service');
      assert.equal((await find('broken.service'))?.phase, 'running');
      await end('broken.service');
    },
  );

  for (const [how, command] of [
    ['removed', 'rm /run/systemd/system/hand.service'],
    ['removed and forgotten by systemd', 'rm /run/systemd/system/hand.service && systemctl daemon-reload'],
  ] as const) {
    test(
      `a unit file ${how} while its unit runs is there again, and an order to stop ends the unit`,
      options,
      async () => {
        await start('hand.service');
        const before = await find('hand.service');
        await machine.run(['sh', '-c', command]);
        const seen = await find('hand.service');
        assert.deepEqual([seen?.phase, seen?.pid], ['running', before?.pid]);
        assert.ok(existsSync(join(machine.root, 'run/systemd/system/hand.service')));
        await end('hand.service');
        assert.equal(await show('hand.service', 'ActiveState'), 'inactive');
      },
    );
  }

  test('a unit file that was changed by hand is told of until the next start has put it right', options, async () => {
    await start('hand.service');
    await machine.run(['sh', '-c', 'echo "Environment=BY=hand" >>/run/systemd/system/hand.service']);
    const seen = await find('hand.service');
    assert.equal(seen?.phase, 'running');
    assert.match(seen?.error ?? '', /changed by hand/);
    await start('hand.service');
    assert.equal((await find('hand.service'))?.error, undefined);
    assert.doesNotMatch(await show('hand.service', 'Environment'), /BY=hand/);
    await end('hand.service');
  });

  test('a start that a crash cut short is made good by the next', options, async () => {
    await start('crash.service');
    await machine.run(['systemctl', 'kill', '--signal=KILL', 'crash.service']);
    // What a remove leaves that ends right after the file is gone: systemd still has the failed unit in memory.
    await machine.run(['rm', '/run/muster/units/crash.service', '/run/systemd/system/crash.service']);
    assert.equal(await find('crash.service'), undefined);
    await start('crash.service', { text: `[Unit]\nDescription=second\n${sleeping}` });
    assert.equal(await show('crash.service', 'Description'), 'second');
    // What a start leaves that ends right after the file is written: never told to start.
    const [present] = [readFileSync(join(machine.root, 'run/systemd/system/crash.service'), 'utf8')];
    await end('crash.service');
    const path = join(machine.root, 'run/systemd/system/crash.service');
    await machine.run(['sh', '-c', `cat > /run/systemd/system/crash.service <<'EOF'\n${present}EOF\n`]);
    assert.ok(existsSync(path));
    const cut = await find('crash.service');
    assert.deepEqual([cut?.phase, cut?.everStarted], ['stopped', false]);
    await start('crash.service', { text: `[Unit]\nDescription=second\n${sleeping}` });
    assert.equal((await find('crash.service'))?.phase, 'running');
    await end('crash.service');
  });

  test('what has ended by itself was started all the same, for a later agent too', options, async () => {
    await start('once.service', { text: '[Service]\nType=oneshot\nExecStart=/bin/true\n' });
    const seen = await eventually('its end', 10_000, async () => {
      const instance = await find('once.service');
      return instance?.phase === 'stopped' ? instance : undefined;
    });
    assert.equal(seen.everStarted, true);
    assert.ok(seen.finishedAt !== undefined && seen.exitCode === 0, JSON.stringify(seen));
    const later = open();
    const [again] = await later.observe(never);
    later.close();
    assert.deepEqual([again?.phase, again?.everStarted], ['stopped', true]);
    await end('once.service');
  });

  test('removing the last unit leaves no trace', options, async () => {
    assert.deepEqual(await runtime.observe(never), []);
    for (const folder of ['run/muster/env', 'run/muster/started', 'run/muster/units']) {
      assert.deepEqual(readdirSync(join(machine.root, folder)), [], folder);
    }
    const left = readdirSync(join(machine.root, 'run/systemd/system'));
    assert.deepEqual(
      left.filter((name) => !name.endsWith('.wants')),
      [],
    );
    assert.equal(
      (await machine.run(['systemctl', '--failed', '--plain', '--no-legend'])).stdout.includes('service '),
      true,
    );
  });

  test(
    'a start that is given up while systemd is busy is not over before systemd has it, and is not taken for a stopped unit',
    options,
    async () => {
      const name = 'given-up.service';
      await start(name);
      await runtime.stop(key(name), never);
      assert.equal((await find(name))?.phase, 'stopped');
      const stop = new AbortController();
      let isOver = false;
      process.kill(machine.leader, 'SIGSTOP');
      let starting: Promise<unknown> | undefined;
      try {
        starting = start(name, { signal: stop.signal }).then(
          () => 'started',
          (error: unknown) => error,
        );
        void starting.then(() => {
          isOver = true;
        });
        await systemClock.sleep(300, never);
        stop.abort(new Error('the order has changed'));
        await systemClock.sleep(300, never);
        assert.equal(isOver, false);
      } finally {
        process.kill(machine.leader, 'SIGCONT');
      }
      await starting;
      assert.notEqual((await find(name))?.phase, 'stopped');
      await end(name);
      assert.equal(await show(name, 'ActiveState'), 'inactive');
    },
  );
});
