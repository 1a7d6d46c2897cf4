import { createClient, type Message, type MessageBus, messageType } from 'dbus-native';
import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import { busCallError } from './bus-errors.ts';
import type { BusCall, BusSignal } from './port.ts';

/** What one connection tells its owner. */
export interface ConnectionEvents {
  readonly onSignal: (signal: BusSignal) => void;
  /** Called once, when the connection is gone; not after {@link BusConnection.close}. */
  readonly onGone: (cause: unknown) => void;
}

const DIAL_LIMIT_MS = 5_000;
const CALL_LIMIT_MS = 10_000;
/** dbus-daemon refuses the 129th call that a connection has open; the others wait their turn here. */
const OPEN_CALLS = 100;
const busDaemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

/** One connection to the bus, from its dial to its end. It never comes back: its owner makes another. */
export class BusConnection {
  readonly #client: MessageBus;
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  #gone = false;

  private constructor(client: MessageBus, clock: Clock, events: ConnectionEvents) {
    this.#client = client;
    this.#clock = clock;
    let cause: unknown;
    client.connection.on('error', (error) => {
      cause = error;
      client.connection.stream.destroy();
    });
    client.connection.on('close', () => {
      if (this.#gone) return;
      this.#gone = true;
      events.onGone(cause);
    });
    client.connection.on('end', () => client.connection.stream.destroy());
    client.connection.on('message', (message) => {
      const signal = broadcastOf(message);
      if (signal !== undefined) events.onSignal(signal);
    });
  }

  /** Connects, authenticates and says hello. Rejects with `UNAVAILABLE`. */
  static async dial(address: string, clock: Clock, events: ConnectionEvents): Promise<BusConnection> {
    let connection: BusConnection;
    try {
      // Without `direct` the library says hello itself and throws what goes wrong with it at the whole process.
      const client = createClient({ busAddress: address, direct: true, timeout: 0 });
      connection = new BusConnection(client, clock, events);
    } catch (cause) {
      throw new AgentError('UNAVAILABLE', `Cannot connect to the bus at "${address}"`, { cause });
    }
    const hello = { ...busDaemon, member: 'Hello', timeoutMs: DIAL_LIMIT_MS };
    try {
      await connection.call(hello, new AbortController().signal);
      return connection;
    } catch (cause) {
      connection.close();
      throw new AgentError('UNAVAILABLE', `Cannot connect to the bus at "${address}"`, { cause });
    }
  }

  /** As {@link Bus.call}. Calls are sent in the order in which they are made. */
  call(call: BusCall, signal: AbortSignal): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const giveUp = new AbortController();
      const limitMs = call.timeoutMs ?? CALL_LIMIT_MS;
      const end = (settle: () => void) => {
        cancelTimer();
        signal.removeEventListener('abort', onAbort);
        giveUp.abort(); // the library then forgets the call
        settle();
      };
      const onAbort = () => end(() => reject(signal.reason));
      const cancelTimer = this.#clock.after(limitMs, () =>
        end(() =>
          reject(new AgentError('UNAVAILABLE', `Cannot call "${call.member}": no answer within ${limitMs} ms`)),
        ),
      );
      signal.addEventListener('abort', onAbort, { once: true });
      this.#inTurn(giveUp.signal, (done) => {
        this.#client.invoke(messageOf(call), { signal: giveUp.signal }, (error: unknown, ...values: unknown[]) => {
          done();
          if (giveUp.signal.aborted) return;
          end(() => (error ? reject(busCallError(call.member, error)) : resolve(values)));
        });
      });
    });
  }

  #inTurn(isOver: AbortSignal, send: (done: () => void) => void): void {
    const begin = () => {
      if (isOver.aborted) {
        this.#waiting.shift()?.();
        return;
      }
      this.#open += 1;
      send(() => {
        this.#open -= 1;
        this.#waiting.shift()?.();
      });
    };
    if (this.#open < OPEN_CALLS && this.#waiting.length === 0) begin();
    else this.#waiting.push(begin);
  }

  /** Sends a match rule to the bus daemon. The order of messages makes it hold before any later call is answered. */
  match(member: 'AddMatch' | 'RemoveMatch', rule: string): Promise<unknown> {
    const call = { ...busDaemon, member, signature: 's', args: [rule] };
    return this.call(call, new AbortController().signal);
  }

  /** Ends it at once, without telling the owner. */
  close(): void {
    this.#gone = true;
    this.#client.connection.end();
    this.#client.connection.stream.destroy();
  }
}

function messageOf(call: BusCall): Message {
  const { destination, path, member, signature } = call;
  const message: Message = { destination, path, interface: call.interface, member };
  return signature === undefined ? message : { ...message, signature, body: [...(call.args ?? [])] };
}

/** A signal that went to everyone. One sent to us alone has passed no match rule: its sender could be anyone. */
function broadcastOf(message: Message): BusSignal | undefined {
  const { type, destination, path, member, body } = message;
  const interfaceName = message.interface;
  if (type !== messageType.signal || destination !== undefined) return undefined;
  if (path === undefined || member === undefined || interfaceName === undefined) return undefined;
  return { path, interface: interfaceName, member, body: body ?? [] };
}
