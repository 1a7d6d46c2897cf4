import type { Log } from '../loop/log.ts';
import { assertCanSpawn } from './assert-can-spawn.ts';
import { type Libc, loadLibc } from './libc.ts';

/** The variables by which systemd tells a service how to talk to it (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

/** Talks to the systemd that started us. Never rejects: what can't be told is logged. */
export class ServiceNotifier {
  readonly #socket: string | undefined;
  readonly #pid: number;
  readonly #log: Log;
  #libc: Promise<Libc | undefined> | undefined;

  constructor(environment: ServiceEnvironment, pid: number, log: Log) {
    const socket = environment.NOTIFY_SOCKET;
    this.#socket = socket !== undefined && /^[/@]./.test(socket) ? socket : undefined;
    this.#pid = pid;
    this.#log = log;
  }

  async notify(lines: readonly string[]): Promise<void> {
    if (this.#socket === undefined || lines.length === 0) return;
    this.#libc ??= loadLibc();
    const libc = await this.#libc;
    if (libc?.sendDatagram(this.#socket, lines.join('\n')) === true) return;
    await this.#notifyByHelper(this.#socket, lines).catch((err: unknown) => {
      this.#log.warn({ err }, 'systemd could not be notified');
    });
  }

  /** Takes some 30 ms and a process. */
  async #notifyByHelper(socket: string, lines: readonly string[]): Promise<void> {
    const { execa } = await import('execa');
    assertCanSpawn('systemd-notify');
    const { failed, exitCode } = await execa('systemd-notify', [`--pid=${this.#pid}`, ...lines], {
      env: { NOTIFY_SOCKET: socket },
      timeout: 5_000,
      reject: false,
      stdio: 'ignore',
    });
    if (failed) this.#log.warn({ exitCode }, 'systemd could not be notified');
  }
}

/** Half of what systemd allows between two signs of life; undefined when it expects none of this process. */
export function watchdogIntervalMs(environment: ServiceEnvironment, pid: number): number | undefined {
  const { WATCHDOG_USEC: span, WATCHDOG_PID: of } = environment;
  if (span === undefined || !/^[1-9]\d*$/.test(span)) return undefined;
  if (of !== undefined && of !== '' && of !== String(pid)) return undefined;
  return Number(span) / 1000 / 2;
}
