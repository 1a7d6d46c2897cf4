import { AgentError } from '../domain/errors.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { abortable } from './abortable.ts';
import { BusConnection } from './bus-connection.ts';
import { isMatch, matchRule } from './bus-match.ts';
import type { Bus, BusCall, BusMatch, BusSignal } from './port.ts';

/** Where the bus is, as D-Bus addresses are written: `unix:path=/run/dbus/system_bus_socket`. */
export interface BusOptions {
  readonly address: string;
}

interface Subscription {
  readonly match: BusMatch;
  readonly rule: string;
  readonly handler: (signal: BusSignal) => void;
  readonly onTaken: (isTaken: boolean) => void;
  /** The daemon has refused the rule on this connection: there's nothing to take back. */
  isRefused: boolean;
}

/** How soon a lost connection is dialled again. The first try is at once, so that a call that follows needs not wait. */
const redial = { firstMs: 50, maxMs: 2_000, jitter: 0.3, random: Math.random };
/** A connection that was lost sooner has failed as much as one that was refused. */
const STEADY_MS = 1_000;

/** Makes the connection; it is dialled by the first call or by {@link Bus.subscribe}, and dialled again whenever it's lost. */
export function openBus(options: BusOptions, clock: Clock, log: Log): Bus {
  return new ReconnectingBus(options.address, clock, log);
}

class ReconnectingBus implements Bus {
  readonly #address: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #subscriptions = new Set<Subscription>();
  readonly #onConnect = new Set<() => void>();
  readonly #onDisconnect = new Set<() => void>();
  #connection: BusConnection | undefined;
  #dialing: Promise<BusConnection> | undefined;
  #cancelRedial: () => void = () => {};
  #failures = 0;
  #connectedAtMs = 0;
  /** After a failure it's not dialled before, whoever asks. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(address: string, clock: Clock, log: Log) {
    this.#address = address;
    this.#clock = clock;
    this.#log = log;
  }

  async call(call: BusCall, signal: AbortSignal): Promise<readonly unknown[]> {
    signal.throwIfAborted();
    if (this.#connection === undefined && this.#clock.monotonicMs() < this.#notBeforeMs)
      throw new AgentError(
        'UNAVAILABLE',
        `Cannot use the bus at "${this.#address}": it can't be reached, and was asked a moment ago`,
      );
    const connection = this.#connection ?? (await abortable(this.#dial(), signal));
    return connection.call(call, signal);
  }

  subscribe(
    match: BusMatch,
    handler: (signal: BusSignal) => void,
    onTaken: (isTaken: boolean) => void = () => {},
  ): () => void {
    const subscription = { match, rule: matchRule(match), handler, onTaken, isRefused: false };
    this.#subscriptions.add(subscription);
    if (this.#connection !== undefined) this.#addMatch(this.#connection, subscription);
    else this.#redialSoon();
    return () => {
      if (!this.#subscriptions.delete(subscription) || this.#connection === undefined || subscription.isRefused) return;
      this.#removeMatch(this.#connection, subscription.rule);
    };
  }

  onConnect(handler: () => void): () => void {
    this.#onConnect.add(handler);
    return () => this.#onConnect.delete(handler);
  }

  onDisconnect(handler: () => void): () => void {
    this.#onDisconnect.add(handler);
    return () => this.#onDisconnect.delete(handler);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRedial();
    this.#connection?.close();
    this.#connection = undefined;
    this.#subscriptions.clear();
  }

  /** One dial at a time; everybody waits for the same. */
  async #dial(): Promise<BusConnection> {
    if (this.#closed) throw new AgentError('UNAVAILABLE', `Cannot use the bus at "${this.#address}": it was closed`);
    this.#dialing ??= this.#dialOnce().finally(() => {
      this.#dialing = undefined;
      if (this.#connection === undefined) this.#redialSoon();
    });
    return this.#dialing;
  }

  async #dialOnce(): Promise<BusConnection> {
    this.#cancelRedial();
    const events = {
      onSignal: (signal: BusSignal) => this.#deliver(signal),
      onGone: (cause: unknown) => this.#lost(cause),
    };
    try {
      const connection = await BusConnection.dial(this.#address, this.#clock, events);
      return this.#connected(connection);
    } catch (error) {
      this.#noteFailure();
      throw error;
    }
  }

  #connected(connection: BusConnection): BusConnection {
    if (this.#closed) {
      connection.close();
      throw new AgentError('UNAVAILABLE', `Cannot use the bus at "${this.#address}": it was closed`);
    }
    this.#connection = connection;
    this.#connectedAtMs = this.#clock.monotonicMs();
    for (const subscription of this.#subscriptions) this.#addMatch(connection, subscription);
    for (const handler of [...this.#onConnect]) handler();
    return connection;
  }

  #lost(cause: unknown): void {
    if (this.#connection === undefined) return; // lost while dialling: the dial says so
    this.#connection = undefined;
    if (this.#clock.monotonicMs() - this.#connectedAtMs >= STEADY_MS) this.#failures = 0;
    else this.#noteFailure();
    this.#log.warn({ bus: this.#address, err: cause }, 'bus connection lost');
    for (const handler of [...this.#onDisconnect]) handler();
    this.#redialSoon();
  }

  #noteFailure(): void {
    this.#failures += 1;
    this.#notBeforeMs = this.#clock.monotonicMs() + backoffMs(this.#failures, redial);
  }

  /** Without subscriptions nobody would notice a connection: then the next call dials. */
  #redialSoon(): void {
    this.#cancelRedial();
    if (this.#closed || this.#dialing !== undefined || this.#subscriptions.size === 0) return;
    const waitMs = this.#failures === 0 ? 0 : Math.max(0, this.#notBeforeMs - this.#clock.monotonicMs());
    this.#cancelRedial = this.#clock.after(waitMs, () => {
      this.#dial().then(
        () => {},
        (err: unknown) => this.#log.debug({ bus: this.#address, err }, 'bus not reachable'),
      );
    });
  }

  #addMatch(connection: BusConnection, subscription: Subscription): void {
    const { rule } = subscription;
    const note = (isTaken: boolean) => {
      subscription.isRefused = !isTaken;
      if (this.#subscriptions.has(subscription)) subscription.onTaken(isTaken);
    };
    subscription.isRefused = false;
    connection.match('AddMatch', rule).then(
      () => {
        if (this.#connection === connection) note(true);
      },
      (err: unknown) => {
        if (this.#connection !== connection) return;
        this.#log.warn({ bus: this.#address, rule, err }, 'bus match refused');
        note(false);
      },
    );
  }

  #removeMatch(connection: BusConnection, rule: string): void {
    connection.match('RemoveMatch', rule).catch((err: unknown) => {
      if (this.#connection === connection)
        this.#log.warn({ bus: this.#address, rule, err }, 'bus match not taken back');
    });
  }

  #deliver(signal: BusSignal): void {
    for (const { match, handler } of [...this.#subscriptions]) {
      if (!isMatch(match, signal)) continue;
      try {
        handler(signal);
      } catch (err) {
        this.#log.error({ bus: this.#address, member: signal.member, err }, 'bus signal handler failed');
      }
    }
  }
}
