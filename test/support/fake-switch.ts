import type { DeadMansSwitch } from '../../src/host/port.ts';

/** A dead man's switch that records what it's asked for. It fires when the test says so. */
export class FakeSwitch implements DeadMansSwitch {
  /** What was asked for, oldest first. */
  readonly calls: { readonly what: 'open' | 'rearm' | 'disarm' | 'close'; readonly killAtMs?: number }[] = [];
  isOpen = false;
  /** When it would fire; undefined: never. */
  killAtMs: number | undefined;
  /** `open` rejects with it. */
  refusal: Error | undefined;

  async open(killAtMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.calls.push({ what: 'open', killAtMs });
    if (this.refusal !== undefined) throw this.refusal;
    this.isOpen = true;
    this.killAtMs = killAtMs;
  }

  rearm(killAtMs: number): boolean {
    this.calls.push({ what: 'rearm', killAtMs });
    if (this.isOpen) this.killAtMs = killAtMs;
    return this.isOpen;
  }

  disarm(): void {
    this.calls.push({ what: 'disarm' });
    this.killAtMs = undefined;
  }

  close(): void {
    this.calls.push({ what: 'close' });
  }

  /** What the agent finds once the switch has fired. */
  fire(): void {
    this.isOpen = false;
    this.killAtMs = undefined;
  }
}
