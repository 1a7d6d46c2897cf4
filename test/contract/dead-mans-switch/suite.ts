import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { DeadMansSwitch } from '../../../src/host/port.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { graceMs, SwitchMachine } from '../../support/switch-machine.ts';
import { lackedBySystemdMachine } from '../../support/systemd-machine.ts';

const lacks = await lackedBySystemdMachine();
const options = { timeout: 120_000, ...(lacks === undefined ? {} : { skip: `this machine lacks ${lacks}` }) };
const never = new AbortController().signal;
const nowMs = () => systemClock.monotonicMs();

/** How late it may fire. */
const lateMs = 300;
/** Long enough for whatever is begun meanwhile. */
const openMs = 30_000;

/** A service of this command, which systemd itself would give a minute to end. */
const runs = (command: string) => [`ExecStart=${command}`, 'TimeoutStopSec=60'];

interface Bench {
  machine: SwitchMachine;
  opened: DeadMansSwitch;
}

/** Opens it anew, and starts units that beat: one that ends when asked, one that doesn't, and one of mode `keep`. */
async function begin(bench: Bench, forMs: number): Promise<number> {
  const { machine, opened } = bench;
  await opened.open(nowMs() + openMs, never);
  await machine.run('systemctl', 'start', 'good.service', 'stubborn.service', 'kept.service');
  await beats(machine, 'good', 'stubborn', 'kept');
  return arm(bench, forMs);
}

function arm({ opened }: Bench, forMs: number): number {
  const killAtMs = nowMs() + forMs;
  assert.equal(opened.rearm(killAtMs), true);
  return killAtMs;
}

async function beats(machine: SwitchMachine, ...names: readonly string[]): Promise<void> {
  for (const name of names) await eventually(`${name} beats`, 5_000, () => nowMs() - machine.lastBeatMs(name) < 500);
}

/** What ends when asked has ended by SIGTERM's time, what doesn't is dead in time, and `keep` runs on. */
async function assertFired({ machine, opened }: Bench, killAtMs: number): Promise<void> {
  const [goodMs, stubbornMs] = [await machine.endOf('good'), await machine.endOf('stubborn')];
  const termAtMs = killAtMs - graceMs;
  const pauseMs = machine.longestPauseMs('kept', termAtMs - 1_000);
  assert.ok(goodMs > termAtMs - 50 - pauseMs, `not earlier: it ended ${termAtMs - goodMs} ms before`);
  assert.ok(goodMs < termAtMs + lateMs + pauseMs, `it ended ${goodMs - termAtMs} ms late`);
  assert.ok(stubbornMs > goodMs, 'it was given its grace');
  assert.ok(stubbornMs < killAtMs + pauseMs, `it was killed ${stubbornMs - killAtMs} ms late`);
  await beats(machine, 'kept');
  assert.equal(opened.rearm(nowMs() + 60_000), false, 'it tells that it has fired');
  assert.equal(opened.isOpen, false);
}

/** What ends when asked ended at once when it was to end, what doesn't after its grace. */
async function assertEnded(machine: SwitchMachine, atMs: number, sinceMs: number): Promise<void> {
  const [goodMs, stubbornMs] = [await machine.endOf('good'), await machine.endOf('stubborn')];
  const limitMs = atMs + lateMs + machine.longestPauseMs('kept', sinceMs);
  assert.ok(goodMs < limitMs, `it ended ${goodMs - atMs} ms late`);
  assert.ok(stubbornMs < limitMs + graceMs, `it ended ${stubbornMs - atMs} ms late`);
}

/** For a second, nothing of it runs. */
async function assertSilent(machine: SwitchMachine, name: string): Promise<void> {
  const atMs = machine.lastBeatMs(name);
  await systemClock.sleep(1_000, never);
  assert.ok(machine.lastBeatMs(name) - atMs < 20, `${name} runs again`);
}

async function invocation(machine: SwitchMachine, unit: string): Promise<string> {
  return machine.run('systemctl', 'show', '--value', '--property=InvocationID,NRestarts', unit);
}

function define(cgroups: 1 | 2): void {
  const bench = {} as Bench;

  before(async () => {
    bench.machine = await SwitchMachine.boot(cgroups);
    const { machine } = bench;
    await machine.write('good.service', runs(machine.beating('good')));
    await machine.write('stubborn.service', runs(machine.beating('stubborn', true)));
    await machine.write('kept.service', runs(machine.beating('kept')), 'keep');
  });
  after(async () => bench.machine?.close());
  beforeEach(async () => {
    bench.opened?.close();
    bench.opened = bench.machine.openSwitch();
  });

  test('it fires on time, ends what ignores SIGTERM before the last moment, and spares keep', async () => {
    await assertFired(bench, await begin(bench, 2_500));
    const { machine } = bench;
    assert.match(await machine.say('systemctl', 'start', 'good.service'), /dependency/i, 'a late start is refused');
    await assertSilent(machine, 'good');
  });

  test('a renewal costs no process and no line in the journal; after 20 in 2 s it fires on time and not earlier', async () => {
    const { machine, opened } = bench;
    await begin(bench, openMs);
    await machine.run('journalctl', '--sync');
    const count = async () => (await machine.run('journalctl', '--quiet', '--output=cat')).split('\n').length;
    const holder = await machine.run('systemctl', 'show', '--value', '--property=MainPID', 'muster-switch.service');
    const [lines, children] = [await count(), readChildren(machine, holder)];
    let killAtMs = 0;
    for (let round = 0; round < 20; round += 1) {
      await systemClock.sleep(100, never);
      killAtMs = nowMs() + 2_000;
      assert.equal(opened.rearm(killAtMs), true);
    }
    assert.equal(await count(), lines);
    assert.equal(readChildren(machine, holder), children);
    await assertFired(bench, killAtMs);
  });

  test('it fires after systemd has read its files again and executed itself anew, and still holds down after that', async () => {
    const { machine } = bench;
    const killAtMs = await begin(bench, 5_000);
    await machine.run('systemctl', 'daemon-reload');
    await machine.run('systemctl', 'daemon-reexec');
    await beats(machine, 'good', 'stubborn');
    await assertFired(bench, killAtMs);
    await machine.run('systemctl', 'daemon-reload');
    await machine.run('systemctl', 'daemon-reexec');
    assert.match(await machine.say('systemctl', 'start', 'good.service'), /dependency/i);
    await assertSilent(machine, 'good');
  });

  test('neither Restart= nor [Install] nor Upholds= brings back what it has ended', async () => {
    const { machine } = bench;
    // Restart=no is ours; that the lease alone suffices is shown without it.
    await machine.write('revived.service', [...runs(machine.beating('revived')), 'RestartSec=100ms'], 'stop');
    await machine.append('revived.service', '[Service]\nRestart=always\n[Install]\nWantedBy=wanting.target\n');
    await machine.append('wanting.target', '[Unit]\nUpholds=revived.service\n');
    await machine.run('systemctl', 'daemon-reload');
    await machine.run('systemctl', 'enable', '--runtime', 'revived.service');
    await begin(bench, openMs);
    await machine.run('systemctl', 'start', 'revived.service');
    await beats(machine, 'revived');
    await assertFired(bench, arm(bench, 2_500));
    await machine.endOf('revived');
    await machine.say('systemctl', 'start', 'wanting.target');
    await assertSilent(machine, 'revived');
    await machine.run('systemctl', 'stop', 'wanting.target');
    await machine.run('systemctl', 'disable', '--runtime', 'revived.service');
  });

  test('processes below the slice that are no units end too, and one that comes later executes nothing that lasts', async () => {
    const { machine } = bench;
    await begin(bench, openMs);
    await machine.enterSlice('asked', machine.beating('asked'));
    await machine.enterSlice('deaf', machine.beating('deaf', true));
    await beats(machine, 'asked', 'deaf');
    const killAtMs = arm(bench, 2_500);
    await assertFired(bench, killAtMs);
    const lateByMs = (await machine.endOf('asked')) - killAtMs + graceMs;
    const pauseMs = machine.longestPauseMs('kept', killAtMs - graceMs - 1_000);
    assert.ok(Math.abs(lateByMs) < lateMs + pauseMs);
    assert.ok((await machine.endOf('deaf')) < killAtMs + pauseMs);
    await systemClock.sleep(graceMs, never);
    await machine.enterSlice('later', machine.beating('later'));
    await systemClock.sleep(1_000, never);
    const hasRun = existsSync(join(machine.machine.root, 'run/beats/later'));
    if (cgroups === 2) assert.ok(!hasRun, 'it is frozen');
    else if (hasRun) await machine.endOf('later'); // killed again and again: perhaps before it came to anything
    await bench.opened.open(nowMs() + 10_000, never);
    await assertNothingOf(machine, 'later');
  });

  test('one that stood still, as with all of its machine, fires as soon as it goes on', async () => {
    const { machine } = bench;
    const killAtMs = await begin(bench, 3_000);
    await machine.run('systemctl', 'kill', '--signal=STOP', 'muster-switch.service');
    await systemClock.sleep(killAtMs + 1_000 - nowMs(), never);
    await beats(machine, 'good', 'stubborn');
    const sinceMs = nowMs();
    await machine.run('systemctl', 'kill', '--signal=CONT', 'muster-switch.service');
    await assertEnded(machine, nowMs(), sinceMs);
  });

  test('once it should have fired it cannot be re-armed, by whoever is faster after all stood still', async () => {
    const { machine, opened } = bench;
    const killAtMs = await begin(bench, 3_000);
    await machine.run('systemctl', 'kill', '--signal=STOP', 'muster-switch.service');
    await systemClock.sleep(killAtMs - graceMs + 100 - nowMs(), never);
    opened.rearm(nowMs() + 60_000);
    const sinceMs = nowMs();
    await machine.run('systemctl', 'kill', '--signal=CONT', 'muster-switch.service');
    await assertEnded(machine, nowMs(), sinceMs);
    await eventually('it tells so', 5_000, () => !opened.rearm(nowMs() + 60_000));
  });

  test('a line that was written in time counts, however late it is read', async () => {
    const { machine, opened } = bench;
    const killAtMs = await begin(bench, 3_000);
    await machine.run('systemctl', 'kill', '--signal=STOP', 'muster-switch.service');
    const laterMs = nowMs() + 5_000;
    assert.equal(opened.rearm(laterMs), true);
    await systemClock.sleep(killAtMs + 200 - nowMs(), never);
    await machine.run('systemctl', 'kill', '--signal=CONT', 'muster-switch.service');
    await beats(machine, 'good', 'stubborn');
    await assertFired(bench, laterMs);
  });

  test('a holder that is killed fences at once', async () => {
    const { machine } = bench;
    await begin(bench, openMs);
    const sinceMs = nowMs();
    await machine.run('systemctl', 'kill', '--signal=KILL', 'muster-switch.service');
    await assertEnded(machine, nowMs(), sinceMs);
    await beats(machine, 'kept');
  });

  test('an operator can fence, and the agent opens again', async () => {
    const { machine, opened } = bench;
    await begin(bench, openMs);
    const sinceMs = nowMs();
    await machine.run('systemctl', '--no-block', 'start', 'muster-fence.target');
    await assertEnded(machine, nowMs(), sinceMs);
    await begin(bench, openMs);
    await beats(machine, 'good', 'stubborn');
    assert.equal(opened.isOpen, true);
  });

  test('an agent that re-arms and opens all the time neither prevents a fence nor finds the slice frozen after it', async () => {
    const { machine, opened } = bench;
    await begin(bench, openMs);
    const stop = new AbortController();
    const rearming = (async () => {
      // Without a pause: there is always a line that the holder has not read.
      for (; !stop.signal.aborted; await setImmediate()) opened.rearm(nowMs() + 30_000);
    })();
    try {
      const before = await invocation(machine, 'good.service');
      await machine.run('systemctl', 'start', 'muster-fence.target');
      const isKilled = async () => (await machine.state('stubborn.service')) !== 'active';
      await eventually(
        'what must be killed is',
        5_000,
        async () => (await isKilled()) && machine.lastBeatMs('stubborn') < nowMs() - 100,
      );
      // At once, as an agent does that sees an instance end, and again for as long as it's refused.
      await eventually('begun anew', 20_000, async () => {
        return begin(bench, openMs).then(
          () => true,
          () => false,
        );
      });
      assert.notEqual(await invocation(machine, 'good.service'), before, 'it was ended');
      await systemClock.sleep(2 * graceMs, never);
      await beats(machine, 'good', 'stubborn', 'kept');
    } finally {
      stop.abort();
      await rearming;
    }
  });

  test('what enters the slice while it is held down is ended, so that nobody waits for what is frozen', async () => {
    const { machine } = bench;
    await assertFired(bench, await begin(bench, 2_500));
    await systemClock.sleep(graceMs, never);
    await machine.enterSlice('stuck', machine.beating('stuck'));
    await eventually('it has ended', 10_000, async () => !(await machine.isInSlice('stuck')));
  });

  test('a process that finds it open re-arms it and disturbs nothing; disarmed, it does not fire', async () => {
    const { machine, opened } = bench;
    await begin(bench, 4_000);
    const ids = async () =>
      Promise.all(['good', 'muster-switch'].map((unit) => invocation(machine, `${unit}.service`)));
    const before = await ids();
    opened.close();
    const other = machine.openSwitch();
    assert.equal(other.rearm(nowMs() + 3_000), true);
    await other.open(nowMs() + 3_000, never);
    other.disarm();
    await systemClock.sleep(4_000, never);
    await beats(machine, 'good', 'stubborn');
    assert.deepEqual(await ids(), before);
    const killAtMs = nowMs() + 1_000;
    assert.equal(other.rearm(killAtMs), true);
    bench.opened = other;
    await assertFired(bench, killAtMs);
  });

  test('many who open it at once all find it open', async () => {
    const { machine, opened } = bench;
    await Promise.all([1, 2, 3, 4].map(() => opened.open(nowMs() + 5_000, never)));
    assert.equal(await machine.state('muster-lease.target'), 'active');
  });

  test('it is not opened when its time has come, nor where its units are missing', async () => {
    const { machine, opened } = bench;
    await assert.rejects(opened.open(nowMs() + graceMs - 1, never), { code: 'STALE' });
    await machine.run('systemctl', 'stop', 'muster-lease.target', 'muster-switch.service');
    const file = '/etc/systemd/system/muster-lease.target';
    await machine.run('mv', file, '/run/kept-aside');
    await machine.run('systemctl', 'daemon-reload');
    await assert.rejects(opened.open(nowMs() + 5_000, never), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'UNAVAILABLE');
      assert.match(error.message, /units\//);
      return true;
    });
    await machine.run('mv', '/run/kept-aside', file);
    await machine.run('systemctl', 'daemon-reload');
    await opened.open(nowMs() + 5_000, never);
  });

  test('it fires while the machine goes down', async () => {
    const { machine } = bench;
    // Nothing of the shutdown ends this one, and something holds the shutdown up.
    await machine.write('late.service', runs(machine.beating('late', true)), 'stop', ['DefaultDependencies=no']);
    await machine.write('slow.service', ['ExecStart=/bin/sleep 1000', 'ExecStop=/bin/sleep 20'], 'keep');
    const killAtMs = nowMs() + 8_000;
    await bench.opened.open(killAtMs, never);
    await machine.run('systemctl', 'start', 'late.service', 'slow.service');
    await beats(machine, 'late');
    await machine.run('systemctl', '--no-block', 'poweroff');
    await systemClock.sleep(2_000, never);
    await beats(machine, 'late');
    const endedMs = await machine.endOf('late');
    const pauseMs = machine.longestPauseMs('late', killAtMs - graceMs - 1_000);
    const isInTime = endedMs < killAtMs + pauseMs && endedMs > killAtMs - graceMs - pauseMs;
    assert.ok(isInTime, `it ended ${endedMs - killAtMs} ms late`);
    assert.equal(await machine.say('systemctl', 'is-system-running'), 'stopping');
  });
}

/** Neither before nor after the slice is open again. */
async function assertNothingOf(machine: SwitchMachine, name: string): Promise<void> {
  await systemClock.sleep(300, never);
  assert.ok(!existsSync(join(machine.machine.root, 'run/beats', name)) || nowMs() - machine.lastBeatMs(name) > 250);
}

function readChildren(machine: SwitchMachine, pid: string): string {
  return readFileSync(join(machine.machine.root, `proc/${pid}/task/${pid}/children`), 'utf8');
}

/** The dead man's switch on a real machine. Nobody re-arms it: so it is with any agent that can't. */
export function switchContract(cgroups: 1 | 2): void {
  describe(`dead man's switch, version ${cgroups} of control groups`, options, () => define(cgroups));
}
