import { AgentError } from '../../src/domain/errors.ts';
import type { DeadMansSwitch } from '../../src/host/port.ts';
import type { Clock } from '../../src/loop/clock.ts';
import type { SimProcess } from './sim-process.ts';

export interface SimSwitchOptions {
  /** The machine's: it stands still for a frozen machine, which then runs late. */
  readonly clock: Clock;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  /** SIGTERM to every `stop` instance of the machine. */
  readonly onTerm: () => void;
  /** SIGKILL to what is left of them. */
  readonly onKill: () => void;
}

/** An agent that opens it finds the units up so soon. */
const OPEN_MS = 20;

/** The dead man's switch of one simulated machine: systemd holds it, so it fires with the agent dead or frozen and daemons hung. */
export class SimSwitch {
  readonly #options: SimSwitchOptions;
  /** `up`: `stop` instances may start. `firing`: they have had their SIGTERM. `down`: none may start. */
  #state: 'down' | 'up' | 'firing' = 'down';
  #cancel: () => void = () => {};

  constructor(options: SimSwitchOptions) {
    this.#options = options;
  }

  /** Whether systemd lets a `stop` instance start. */
  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** What one agent process holds of it. */
  openFor(process: SimProcess): DeadMansSwitch {
    return new HeldSwitch(this, process, this.#options.graceMs);
  }

  /** Its units come up, once nothing of an earlier fence is left. */
  async open(killAtMs: number, signal: AbortSignal): Promise<void> {
    do await this.#options.clock.sleep(OPEN_MS, signal);
    while (this.#state === 'firing' && !signal.aborted);
    signal.throwIfAborted();
    this.#state = 'up';
    this.rearm(killAtMs);
  }

  /** False when nobody reads what it's told. */
  rearm(killAtMs: number): boolean {
    if (this.#state !== 'up') return false;
    const { clock, graceMs } = this.#options;
    this.#cancel();
    this.#cancel = clock.after(killAtMs - graceMs - clock.monotonicMs(), () => this.#fire(killAtMs));
    return true;
  }

  disarm(): void {
    if (this.#state === 'up') this.#cancel();
  }

  /** The power is gone. */
  powerOff(): void {
    this.#cancel();
    this.#state = 'down';
  }

  #fire(killAtMs: number): void {
    const { clock, onTerm, onKill } = this.#options;
    this.#state = 'firing';
    onTerm();
    const kill = () => {
      this.#state = 'down';
      onKill();
    };
    if (killAtMs <= clock.monotonicMs()) kill();
    else this.#cancel = clock.after(killAtMs - clock.monotonicMs(), kill);
  }
}

class HeldSwitch implements DeadMansSwitch {
  readonly #switch: SimSwitch;
  readonly #process: SimProcess;
  readonly #graceMs: number;
  #hasOpened = false;

  constructor(machineSwitch: SimSwitch, process: SimProcess, graceMs: number) {
    this.#switch = machineSwitch;
    this.#process = process;
    this.#graceMs = graceMs;
  }

  get isOpen(): boolean {
    return this.#hasOpened && this.#switch.isUp;
  }

  async open(killAtMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (killAtMs - this.#graceMs <= this.#process.clock.monotonicMs())
      throw new AgentError('STALE', "Cannot open the dead man's switch: its time has come already");
    if (!this.isOpen) await this.#process.call({ tag: 'systemd', signal }, (stop) => this.#switch.open(killAtMs, stop));
    this.#hasOpened = true;
    if (!this.rearm(killAtMs))
      throw new AgentError('UNAVAILABLE', "Cannot open the dead man's switch: it has fired meanwhile");
  }

  rearm(killAtMs: number): boolean {
    return this.#switch.rearm(killAtMs);
  }

  disarm(): void {
    this.#switch.disarm();
  }

  close(): void {
    this.#hasOpened = false;
  }
}
