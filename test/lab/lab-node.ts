import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { type CommandOptions, type CommandResult, command } from './command.ts';
import { ControlGroup } from './control-groups.ts';
import {
  clearMachine,
  machinePaths,
  makeMachineFolders,
  type RunningMachine,
  rebootExitCode,
  startMachine,
} from './machine.ts';
import type { CutDirection, LabNetwork, Port } from './network.ts';
import type { LabNames } from './paths.ts';
import { type LabParts, type NodeMetadata, writeSeed } from './seed.ts';

const bootLimitMs = 90_000;
const readyFile = '/run/cloud-init/result.json';
const runEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** All that a node is made from; the lab fills it in. */
export interface LabNodeOptions {
  readonly names: LabNames;
  readonly network: LabNetwork;
  readonly port: Port;
  readonly lower: readonly string[];
  readonly metadata: NodeMetadata;
  readonly parts: LabParts;
}

/** Which lines of a journal. `since` as journalctl takes it; `boot`: only those of the last boot. */
export interface JournalOptions {
  readonly since?: string;
  readonly lines?: number;
  readonly boot?: boolean;
  readonly output?: 'short-precise' | 'cat' | 'json';
}

/** One machine of the lab: full systemd, its own journald, dockerd, address, machine ID and hostname. */
export class LabNode {
  readonly name: string;
  readonly address: string;
  readonly machineId: string;
  readonly #options: LabNodeOptions;
  readonly #directory: string;
  readonly #group: ControlGroup;
  #running: RunningMachine | undefined;
  #settled: Promise<void> = Promise.resolve();
  #frozen = false;
  #isRetired = false;

  constructor(options: LabNodeOptions) {
    this.#options = options;
    this.name = options.metadata.hostname;
    this.address = options.port.address;
    this.machineId = options.metadata.machineId;
    this.#directory = join(options.names.data, this.name);
    this.#group = new ControlGroup(`${options.names.group}/${this.name}`, options.parts.limits);
  }

  /** Whether the machine is switched on; a frozen one is. */
  get isOn(): boolean {
    return this.#running !== undefined;
  }

  /** What the machine was given at birth: its cluster, labels, endpoints. */
  get metadata(): NodeMetadata {
    return this.#options.metadata;
  }

  /** PID 1 of the machine, as the host sees it. */
  get leaderPid(): number {
    if (this.#running === undefined) throw new Error(`Cannot use node "${this.name}": expected it to be switched on`);
    return this.#running.leader;
  }

  /** Switches the machine on and waits until cloud-init has done all of its stages. At its first boot it is a new VM. */
  async boot(): Promise<void> {
    if (this.isOn) return;
    const { port, network, lower, metadata, parts, names } = this.#options;
    if (!existsSync(this.#directory)) {
      await makeMachineFolders(this.#directory);
      await writeSeed(machinePaths(this.#directory).upper, metadata, parts);
    }
    await this.#group.create();
    await this.#group.createBelow('commands');
    await network.attach(port);
    const running = await startMachine({
      machine: `${names.prefix}${this.name}`,
      hostname: this.name,
      directory: this.#directory,
      lower,
      namespace: port.namespace,
      group: this.#group,
      limits: parts.limits,
      shared: names.shared,
    });
    this.#running = running;
    this.#settled = running.ended.then(async (code) => this.#afterEnd(code));
    this.#settled.catch(() => undefined); // whoever awaits it sees it fail
    await this.#awaitReady(running);
  }

  /** SIGKILL to every process of the machine at once; what is on its disk stays. */
  async powerOff(): Promise<void> {
    if (!this.isOn) return;
    const settled = this.#settled;
    // nspawn itself is spared: it ends by itself, having reaped the machine's PID 1.
    await this.#group.kill('payload');
    if (this.#frozen) await this.thaw();
    await eventually(`node "${this.name}" off`, 20_000, () => !this.isOn);
    await settled;
  }

  /** An orderly shutdown, as `systemctl poweroff` does it; waits for its end. */
  async shutDown(timeoutMs = 120_000): Promise<void> {
    await this.run(['systemctl', 'poweroff'], { reject: false });
    await eventually(`node "${this.name}" shut down`, timeoutMs, () => !this.isOn);
    await this.#settled;
  }

  /** An orderly reboot, as `systemctl reboot` does it; waits until the machine is up again. */
  async reboot(timeoutMs = 120_000): Promise<void> {
    const { leader } = this.#running ?? { leader: -1 };
    await this.run(['systemctl', 'reboot'], { reject: false });
    await eventually(`node "${this.name}" rebooted`, timeoutMs, () => this.isOn && this.#running?.leader !== leader);
    if (this.#running !== undefined) await this.#awaitReady(this.#running);
  }

  /** Stops every process of the machine where it is, as a hypervisor does that pauses a VM. */
  async freeze(): Promise<void> {
    await this.#group.freeze();
    this.#frozen = true;
  }

  async thaw(): Promise<void> {
    if (this.isOn) await this.#group.thaw();
    this.#frozen = false;
  }

  /** Drops the machine's packets, silently, until `reconnect()`. */
  async cutOff(direction: CutDirection = 'both'): Promise<void> {
    await this.#options.network.cut(this.#options.port, direction);
  }

  async reconnect(): Promise<void> {
    await this.#options.network.reconnect(this.#options.port);
  }

  /** Runs a command on the machine, as root; throws if it fails, unless `reject: false`. It dies with the machine. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return command(this.commandLine(argv), { ...options, env: { ...runEnvironment, ...options.env } });
  }

  /** The command of the host that runs `argv` on the machine, for callers that want to stream its output. */
  commandLine(argv: readonly string[]): string[] {
    const enter = ['nsenter', '-t', String(this.leaderPid), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w'];
    return this.#group.wrap([...enter, '--', ...argv], 'commands');
  }

  /** Writes a file, and the folders to it; on a machine that is off, on its disk. */
  async writeFile(path: string, text: string, mode = 0o644): Promise<void> {
    if (this.isOn) {
      const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"';
      await this.run(['sh', '-c', script, 'sh', path, mode.toString(8)], { input: text });
      return;
    }
    const file = join(machinePaths(this.#directory).upper, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    await chmod(file, mode);
  }

  /** Reads a file; of a machine that is off, only one that it has written itself. */
  async readFile(path: string): Promise<string> {
    if (!this.isOn) return readFile(join(machinePaths(this.#directory).upper, path), 'utf8');
    return (await this.run(['cat', '--', path], { exact: true })).stdout;
  }

  /** The machine's journal, or one unit's; also of a machine that is off or frozen. */
  async journal(unit?: string, options: JournalOptions = {}): Promise<string> {
    const { root, upper } = machinePaths(this.#directory);
    const argv = [
      'journalctl',
      `--directory=${join(this.isOn ? root : upper, 'var/log/journal', this.machineId)}`,
      '--no-pager',
      `--output=${options.output ?? 'short-precise'}`,
      ...(unit === undefined ? [] : [`--unit=${unit}`]),
      ...(options.since === undefined ? [] : [`--since=${options.since}`]),
      ...(options.lines === undefined ? [] : [`--lines=${options.lines}`]),
      ...(options.boot === true ? ['--boot'] : []),
    ];
    return (await command(argv)).stdout;
  }

  /** The PID of a unit's main process, as the machine sees it; 0 if it has none. */
  async mainPid(unit: string): Promise<number> {
    return Number((await this.run(['systemctl', 'show', '--property=MainPID', '--value', unit])).stdout);
  }

  /** Sends a signal to a unit's main process, past systemd. */
  async killProcess(unit: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pid = await this.mainPid(unit);
    if (pid === 0) throw new Error(`Cannot send ${signal} to "${unit}" on ${this.name}: expected a main process`);
    await this.run(['sh', '-c', `kill -s ${signal.replace('SIG', '')} ${pid}`]);
  }

  async freezeProcess(unit: string): Promise<void> {
    await this.killProcess(unit, 'SIGSTOP');
  }

  async thawProcess(unit: string): Promise<void> {
    await this.killProcess(unit, 'SIGCONT');
  }

  /** Powers off and forgets all that the machine has written: the next boot is a new VM's with the same machine ID. */
  async wipe(): Promise<void> {
    this.#isRetired = true;
    await this.powerOff();
    this.#isRetired = false;
    await this.reconnect();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #awaitReady({ leader }: RunningMachine): Promise<void> {
    const file = `/proc/${leader}/root${readyFile}`;
    const text = await eventually(`cloud-init done on "${this.name}"`, bootLimitMs, async () => {
      if (this.#running?.leader !== leader) throw new Error('the machine has ended');
      return readFile(file, 'utf8');
    });
    const { v1 } = JSON.parse(text) as { v1: { errors: readonly string[] } };
    if (v1.errors.length > 0) throw new Error(`Cannot provision node "${this.name}": ${v1.errors.join('; ')}`);
  }

  async #afterEnd(code: number): Promise<void> {
    const { names, network, port } = this.#options;
    await this.#group.kill();
    await this.#group.remove();
    await clearMachine(`${names.prefix}${this.name}`, this.#directory);
    await network.detach(port);
    this.#running = undefined;
    if (code === rebootExitCode && !this.#isRetired) await this.boot();
  }

  /** Whether `freeze()` was called and not undone. */
  get isFrozen(): boolean {
    return this.#frozen;
  }
}

/** A machine ID as systemd makes them. */
export function newMachineId(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex');
}
