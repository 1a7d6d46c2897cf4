import { readFileSync } from 'node:fs';
import { appendFile, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openBus } from '../../src/bus/open-bus.ts';
import { openDeadMansSwitch } from '../../src/host/dead-mans-switch.ts';
import type { DeadMansSwitch } from '../../src/host/port.ts';
import { silentLog } from '../../src/loop/log.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import { switchFiles } from '../lab/image-layer.ts';
import { repository } from '../lab/paths.ts';
import { eventually } from './eventually.ts';
import { bootSystemdMachine, type SystemdMachine } from './systemd-machine.ts';

/** systemd of version 1 in a container isn't told of the end of a unit's last process unless that is the main one: so it has no other. */
const beatScript = `
exec 4<> <(:)
[ "$2" = stubborn ] && trap '' TERM
while read -r up rest </proc/uptime; do
  echo "$up" >>"/run/beats/$1"
  read -r -t 0.01 -u 4
done
`;

/** Between SIGTERM and SIGKILL in these tests. */
export const graceMs = 500;

/** A machine with systemd and the dead man's switch's units, and the agent's side of the switch. */
export class SwitchMachine {
  readonly machine: SystemdMachine;
  readonly #bus: ReturnType<typeof openBus>;
  readonly #opened: DeadMansSwitch[] = [];

  private constructor(machine: SystemdMachine) {
    this.machine = machine;
    this.#bus = openBus({ address: machine.busAddress }, systemClock, silentLog);
  }

  static async boot(cgroups: 1 | 2): Promise<SwitchMachine> {
    const machine = await bootSystemdMachine({ cgroups });
    for (const [from, to] of Object.entries(switchFiles)) {
      await mkdir(join(machine.root, dirname(to)), { recursive: true });
      await copyFile(join(repository, from), join(machine.root, to));
    }
    await machine.run(['systemctl', 'daemon-reload']);
    await machine.run(['mkdir', '-p', '/run/beats']);
    await writeFile(join(machine.root, 'opt/beat.sh'), beatScript);
    return new SwitchMachine(machine);
  }

  /** One more agent's side. */
  openSwitch(): DeadMansSwitch {
    const opened = openDeadMansSwitch({ bus: this.#bus, clock: systemClock, graceMs, root: this.machine.root });
    this.#opened.push(opened);
    return opened;
  }

  async run(...argv: string[]): Promise<string> {
    return (await this.machine.run(argv)).stdout.trim();
  }

  /** Its output whatever its exit code. */
  async say(...argv: string[]): Promise<string> {
    const { stdout, stderr } = await this.machine.run(argv, { reject: false });
    return `${stdout}${stderr}`.trim();
  }

  async state(unit: string): Promise<string> {
    return this.run('systemctl', 'show', '--value', '--property=ActiveState', unit);
  }

  /** Writes a unit of a `stop` instance, or of a `keep` one, that does what the lines say. */
  async write(
    unit: string,
    lines: readonly string[],
    mode: 'keep' | 'stop' = 'stop',
    unitLines: readonly string[] = [],
  ): Promise<void> {
    const lease = 'muster-lease.target';
    const text = [
      ...['[Unit]', ...unitLines, '[Service]', ...lines],
      ...(mode === 'keep' ? [] : ['[Unit]', `Requisite=${lease}`, `PartOf=${lease}`, `After=${lease}`]),
      ...(mode === 'keep' ? [] : ['[Service]', 'Slice=muster-stop.slice', 'Restart=no']),
    ];
    await writeFile(join(this.machine.root, 'run/systemd/system', basename(unit)), `${text.join('\n')}\n`);
  }

  async append(unit: string, text: string): Promise<void> {
    await appendFile(join(this.machine.root, 'run/systemd/system', unit), text);
  }

  /** The command that notes the uptime again and again for as long as it runs, and ends at SIGTERM or not. One process. */
  beating(name: string, isStubborn = false): string {
    return `/bin/bash /opt/beat.sh ${name}${isStubborn ? ' stubborn' : ''}`;
  }

  /** Runs a command in a control group of its own below the slice, past systemd, as dockerd does. */
  async enterSlice(name: string, command: string): Promise<void> {
    const enter = `for d in /sys/fs/cgroup/muster.slice /sys/fs/cgroup/systemd/muster.slice; do
      [ -d $d ] && mkdir -p $d/muster-stop.slice/${name} && echo $$ >$d/muster-stop.slice/${name}/cgroup.procs; done`;
    await this.run('setsid', '--fork', 'sh', '-c', `exec >/dev/null 2>&1; ${enter}; exec ${command}`);
  }

  /** Whether what {@link enterSlice} has begun is there: already on its way into the slice, or in it. */
  async isInSlice(name: string): Promise<boolean> {
    return (await this.say('pgrep', '--full', `muster-stop.slice/${name}/|beat.sh ${name}$`)) !== '';
  }

  /** When it last ran, on this process's monotonic clock. Uptime is the same for all machines of one kernel. */
  lastBeatMs(name: string): number {
    const beats = readFileSync(join(this.machine.root, 'run/beats', name), 'latin1').trim();
    const uptime = readFileSync('/proc/uptime', 'latin1');
    const agoMs = (Number.parseFloat(uptime) - Number.parseFloat(beats.slice(beats.lastIndexOf('\n') + 1))) * 1000;
    return systemClock.monotonicMs() - agoMs;
  }

  /** The longest time from then on in which it had no turn: what a busy machine adds to any time that is judged by beats. */
  longestPauseMs(name: string, sinceMs: number): number {
    const text = readFileSync(join(this.machine.root, 'run/beats', name), 'latin1');
    const uptimeMs = Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
    const fromMs = uptimeMs - (systemClock.monotonicMs() - sinceMs);
    const beats = text.split('\n').flatMap((line) => (line === '' ? [] : [Number.parseFloat(line) * 1000]));
    const pauses = beats.map((atMs, at) =>
      atMs < fromMs || at === 0 ? 0 : atMs - Math.max(fromMs, beats[at - 1] ?? 0),
    );
    return pauses.reduce((longest, pause) => Math.max(longest, pause), 0);
  }

  /** Waits until nothing of it has run for a second, and returns when it last did. */
  async endOf(name: string, deadlineMs = 15_000): Promise<number> {
    return eventually(`the end of ${name}`, deadlineMs, () => {
      const atMs = this.lastBeatMs(name);
      return systemClock.monotonicMs() - atMs > 1_000 ? atMs : undefined;
    });
  }

  async close(): Promise<void> {
    for (const each of this.#opened) each.close();
    this.#bus.close();
    await this.machine.close();
  }
}
