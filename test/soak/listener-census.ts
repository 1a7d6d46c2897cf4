import { getEventListeners } from 'node:events';

/** Knows every abort signal that is listened to, without keeping it alive. */
export class ListenerCensus {
  #signals: WeakRef<AbortSignal>[] = [];
  readonly #known = new WeakSet<AbortSignal>();

  /** Sees each signal of this process that gets its first listener from now on. */
  begin(): void {
    const note = (signal: AbortSignal) => this.#note(signal);
    // oxlint-disable-next-line typescript/unbound-method -- it's called with the target that it's called on
    const { addEventListener } = EventTarget.prototype;
    EventTarget.prototype.addEventListener = function (this: EventTarget, ...args) {
      if (this instanceof AbortSignal) note(this);
      return addEventListener.apply(this, args);
    };
  }

  /** Of those that are still alive and still listened to. */
  count(): { readonly signals: number; readonly listeners: number; readonly mostListeners: number } {
    this.#signals = this.#signals.filter((each) => each.deref() !== undefined);
    const counts = this.#signals.map((each) => {
      const signal = each.deref();
      return signal === undefined || signal.aborted ? 0 : getEventListeners(signal, 'abort').length;
    });
    const listened = counts.filter((count) => count > 0);
    return {
      signals: listened.length,
      listeners: listened.reduce((sum, count) => sum + count, 0),
      mostListeners: Math.max(0, ...listened),
    };
  }

  #note(signal: AbortSignal): void {
    if (this.#known.has(signal)) return;
    this.#known.add(signal);
    this.#signals.push(new WeakRef(signal));
  }
}
