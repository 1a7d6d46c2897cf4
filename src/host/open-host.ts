import { availableParallelism, networkInterfaces, totalmem } from 'node:os';
import type { Bus } from '../bus/port.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { systemClock } from '../loop/system-clock.ts';
import { assertCanSpawn } from './assert-can-spawn.ts';
import { openDeadMansSwitch } from './dead-mans-switch.ts';
import { listAddresses } from './list-addresses.ts';
import type { DeadMansSwitch, Host, HostIdentity, StateFiles } from './port.ts';
import { readIdentity } from './read-identity.ts';
import { makeMemoryRelease } from './release-memory.ts';
import { type ServiceEnvironment, ServiceNotifier, watchdogIntervalMs } from './sd-notify.ts';
import { openStateFiles, STATE_FOLDER } from './state-files.ts';

/** What the host needs. */
export interface HostOptions {
  /** The system bus; shared. */
  readonly bus: Bus;
  readonly log: Log;
  /** The one that deadlines are on; the machine's own when left out. */
  readonly clock?: Clock;
  /** This process. */
  readonly pid: number;
  readonly environment: ServiceEnvironment;
  /** Between SIGTERM and SIGKILL of what the dead man's switch ends: 1 s by default. */
  readonly fenceGraceMs?: number;
  /** Prefixed to the paths of the identity's files and of the switch; empty by default. */
  readonly root?: string;
  /** Absent: /var/lib/muster. */
  readonly stateFolder?: string;
}

const DEFAULT_FENCE_GRACE_MS = 1_000;

/** The machine that this process runs on. */
export function openHost(options: HostOptions): Host {
  return new LocalHost(options);
}

class LocalHost implements Host {
  readonly watchdogIntervalMs: number | undefined;
  readonly deadMansSwitch: DeadMansSwitch;
  readonly stateFiles: StateFiles;
  readonly #options: HostOptions;
  readonly #notifier: ServiceNotifier;
  #release: ReturnType<typeof makeMemoryRelease> | undefined;

  constructor(options: HostOptions) {
    const {
      bus,
      environment,
      pid,
      log,
      clock = systemClock,
      fenceGraceMs = DEFAULT_FENCE_GRACE_MS,
      root = '',
    } = options;
    this.#options = options;
    this.#notifier = new ServiceNotifier(environment, pid, log);
    this.deadMansSwitch = openDeadMansSwitch({ bus, clock, graceMs: fenceGraceMs, root });
    this.stateFiles = openStateFiles({ folder: options.stateFolder ?? STATE_FOLDER, clock, log });
    this.watchdogIntervalMs = watchdogIntervalMs(environment, pid);
  }

  identity(): Promise<HostIdentity> {
    return readIdentity(this.#options.root ?? '');
  }

  async capacity(): Promise<{ readonly cpus: number; readonly memoryBytes: number }> {
    return { cpus: availableParallelism(), memoryBytes: totalmem() };
  }

  addresses(): readonly string[] {
    return listAddresses(networkInterfaces());
  }

  notify(lines: readonly string[]): Promise<void> {
    return this.#notifier.notify(lines);
  }

  async releaseMemory(): Promise<void> {
    this.#release ??= makeMemoryRelease();
    (await this.#release)();
  }

  async isShuttingDown(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const state = await this.#systemState(signal).catch((err: unknown) => {
      signal.throwIfAborted();
      this.#options.log.warn({ err }, 'system state is unknown on the bus, asking systemctl');
      return systemStateByHelper(signal);
    });
    return state === 'stopping';
  }

  async #systemState(signal: AbortSignal): Promise<unknown> {
    const call = {
      destination: 'org.freedesktop.systemd1',
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      args: ['org.freedesktop.systemd1.Manager', 'SystemState'],
      timeoutMs: 2_000,
    };
    return (await this.#options.bus.call(call, signal))[0];
  }
}

/** systemctl reaches systemd by a socket of its own, which is there while the bus isn't. */
async function systemStateByHelper(signal: AbortSignal): Promise<string> {
  const { execa } = await import('execa');
  assertCanSpawn('systemctl');
  const options = { reject: false, timeout: 2_000, stdin: 'ignore', stderr: 'ignore' } as const;
  const { stdout } = await execa('systemctl', ['is-system-running'], options);
  signal.throwIfAborted();
  return stdout.trim();
}
