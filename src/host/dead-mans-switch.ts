import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { abortable } from '../bus/abortable.ts';
import { busErrorName } from '../bus/bus-errors.ts';
import type { Bus } from '../bus/port.ts';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { DeadMansSwitch } from './port.ts';

/** What the switch needs. */
export interface DeadMansSwitchOptions {
  /** The system bus; shared. */
  readonly bus: Bus;
  readonly clock: Clock;
  /** Between SIGTERM and SIGKILL; the latter is due at the time that is armed. */
  readonly graceMs: number;
  /** Prefixed to the paths, to reach another machine's; empty by default. */
  readonly root?: string;
}

const FIFO = '/run/muster/switch';
const LEASE = 'muster-lease.target';
/** There from before a machine sleeps until it's awake: to ask for the lease then would end what holds it down. */
const ASLEEP = '/run/muster/asleep';
/** The fence's jobs can't be cancelled: what conflicts with them is refused for as long as they take. */
const FENCE_UNDER_WAY = 'org.freedesktop.systemd1.TransactionIsDestructive';
/** `_2d`, `_2e`: how the bus writes `-` and `.`. */
const LEASE_PATH = '/org/freedesktop/systemd1/unit/muster_2dlease_2etarget';
/** SIGKILL goes out so much earlier, so that all are dead by then. */
const KILL_LEAD_MS = 50;
const CALL_LIMIT_MS = 5_000;
/** What an earlier fence has left must be seen dead first, and an earlier holder be gone. */
const OPEN_LIMIT_MS = 10_000;
/** While it opens it's looked at so often, and asked for anew so often. */
const LOOK_MS = 20;
const ASK_AGAIN_MS = 500;

/** This machine's dead man's switch: units of systemd's, and a FIFO to the process that holds it. Does nothing before it's used. */
export function openDeadMansSwitch(options: DeadMansSwitchOptions): DeadMansSwitch {
  return new SystemdSwitch(options);
}

class SystemdSwitch implements DeadMansSwitch {
  readonly #options: DeadMansSwitchOptions;
  readonly #fifo: string;
  readonly #closed = new AbortController();
  #file: number | undefined;
  /** As last seen: the target without which no unit of a `stop` instance starts. */
  #isLeaseUp = false;
  #killAtMs = Number.NEGATIVE_INFINITY;
  #opening: Promise<void> | undefined;

  constructor(options: DeadMansSwitchOptions) {
    this.#options = options;
    this.#fifo = join(options.root ?? '', FIFO);
  }

  get isOpen(): boolean {
    return this.#isLeaseUp && this.#file !== undefined;
  }

  async open(killAtMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#killAtMs = killAtMs;
    if (killAtMs - this.#options.graceMs <= this.#options.clock.monotonicMs())
      throw new AgentError('STALE', "Cannot open the dead man's switch: its time has come already");
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    await abortable(this.#opening, signal);
    if (!this.rearm(this.#killAtMs))
      throw new AgentError('UNAVAILABLE', "Cannot open the dead man's switch: it has fired meanwhile");
  }

  rearm(killAtMs: number): boolean {
    this.#killAtMs = killAtMs;
    const { clock, graceMs } = this.#options;
    // Read first: should this process be held up in between, the time becomes an earlier one.
    const uptimeMs = readUptimeMs();
    const killAtUptimeMs = Math.floor(uptimeMs + killAtMs - clock.monotonicMs());
    if (!Number.isSafeInteger(killAtUptimeMs)) return false;
    const termMs = Math.max(1, Math.floor(killAtUptimeMs - graceMs));
    return this.#write(`${termMs} ${Math.max(termMs, killAtUptimeMs - KILL_LEAD_MS)} ${uptimeMs}\n`);
  }

  disarm(): void {
    this.#write('0 0\n');
  }

  close(): void {
    this.#closed.abort(new AgentError('UNAVAILABLE', "Cannot open the dead man's switch: the agent stops"));
    this.#letGo();
  }

  /** Resolves once it's armed and its units may start. */
  async #open(): Promise<void> {
    const { clock } = this.#options;
    const signal = this.#closed.signal;
    const untilMs = clock.monotonicMs() + OPEN_LIMIT_MS;
    if (await this.#isUp(signal)) return;
    while (clock.monotonicMs() < untilMs) {
      await this.#startLease(signal);
      const askAgainAtMs = clock.monotonicMs() + ASK_AGAIN_MS;
      while (clock.monotonicMs() < askAgainAtMs) {
        if (await this.#isUp(signal)) return;
        await clock.sleep(LOOK_MS, signal);
        signal.throwIfAborted();
      }
    }
    throw new AgentError(
      'UNAVAILABLE',
      `Cannot open the dead man's switch: ${LEASE} did not start within ${OPEN_LIMIT_MS / 1000} s, see "systemctl status ${LEASE} muster-switch.service"`,
    );
  }

  /** Armed first: what may start from then on has an end. */
  async #isUp(signal: AbortSignal): Promise<boolean> {
    const wasUp = this.isOpen;
    this.#isLeaseUp = false;
    if (!this.rearm(this.#killAtMs)) return false;
    try {
      this.#isLeaseUp = (await this.#readLease(signal)) === 'active';
    } catch (error) {
      // Without the bus nothing can have changed that wouldn't have ended the holder.
      if (signal.aborted || !wasUp || errorCodeOf(error) !== 'UNAVAILABLE') throw error;
      this.#isLeaseUp = true;
    }
    return this.isOpen;
  }

  async #readLease(signal: AbortSignal): Promise<unknown> {
    const call = {
      destination: 'org.freedesktop.systemd1',
      path: LEASE_PATH,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      args: ['org.freedesktop.systemd1.Unit', 'ActiveState'],
      timeoutMs: CALL_LIMIT_MS,
    };
    return (await this.#options.bus.call(call, signal))[0];
  }

  async #startLease(signal: AbortSignal): Promise<void> {
    if (existsSync(join(this.#options.root ?? '', ASLEEP)))
      throw new AgentError('UNAVAILABLE', "Cannot open the dead man's switch: expected a machine that is awake");
    const call = {
      destination: 'org.freedesktop.systemd1',
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Manager',
      member: 'StartUnit',
      signature: 'ss',
      args: [LEASE, 'replace'],
      timeoutMs: CALL_LIMIT_MS,
    };
    await this.#options.bus.call(call, signal).catch((cause: unknown) => {
      signal.throwIfAborted();
      if (busErrorName(cause) === FENCE_UNDER_WAY) return; // asked for again soon
      if (busErrorName(cause) !== 'org.freedesktop.systemd1.NoSuchUnit') throw cause;
      throw new AgentError(
        'UNAVAILABLE',
        `Cannot run instances with disconnect "stop": expected ${LEASE} and the units that go with it on this machine, as the release's units/ has them`,
        { cause },
      );
    });
  }

  /** False when nobody reads. Never waits: a FIFO without a reader refuses, one that is full has a reader that hangs. */
  #write(line: string): boolean {
    try {
      this.#file ??= openSync(this.#fifo, constants.O_WRONLY | constants.O_NONBLOCK);
      writeSync(this.#file, line);
      return true;
    } catch {
      this.#letGo();
      return false;
    }
  }

  #letGo(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#isLeaseUp = false;
    if (file !== undefined) closeSync(file);
  }
}

/** Time since boot, which the holder can read too, and which no process can stop. */
function readUptimeMs(): number {
  return Math.floor(Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000);
}
