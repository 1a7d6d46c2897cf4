import type { Host, HostIdentity } from '../../src/host/port.ts';
import { FakeStateFiles } from './fake-state-files.ts';
import { FakeSwitch } from './fake-switch.ts';

/** A machine's host without a machine: what it says of itself is set by the test. */
export class FakeHost implements Host {
  readonly watchdogIntervalMs = undefined;
  readonly deadMansSwitch = new FakeSwitch();
  readonly stateFiles = new FakeStateFiles();
  /** Changed by a reboot: `bootId`. */
  current: HostIdentity;
  /** systemd's manager is `stopping`. */
  shutsDown = false;
  /** What systemd was told, oldest first. */
  readonly notified: string[] = [];
  readonly #capacity: { readonly cpus: number; readonly memoryBytes: number };

  constructor(
    identity: HostIdentity,
    capacity: { readonly cpus: number; readonly memoryBytes: number } = { cpus: 2, memoryBytes: 4 * 2 ** 30 },
  ) {
    this.current = identity;
    this.#capacity = capacity;
  }

  async identity(): Promise<HostIdentity> {
    return this.current;
  }

  async capacity(): Promise<{ readonly cpus: number; readonly memoryBytes: number }> {
    return this.#capacity;
  }

  addresses(): readonly string[] {
    return ['10.0.0.1'];
  }

  async notify(lines: readonly string[]): Promise<void> {
    this.notified.push(...lines);
  }

  async releaseMemory(): Promise<void> {}

  async isShuttingDown(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    return this.shutsDown;
  }
}
