/** One method call. Arguments are as `signature` says; 64-bit integers are bigints, dictionaries objects, variants plain. */
export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly args?: readonly unknown[];
  /** How long to wait for the answer; 10 s unless told. */
  readonly timeoutMs?: number;
}

/** Which signals to receive: all that is given must hold. */
export interface BusMatch {
  /** Well-known or unique name of the sender; the bus daemon checks it. */
  readonly sender: string;
  readonly path?: string;
  readonly interface: string;
  readonly member?: string;
  /** The first argument, which must be a string. */
  readonly arg0?: string;
}

/** A signal as it came. */
export interface BusSignal {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

/** One guarded connection to a message bus: it comes back by itself, and no call waits for ever. */
export interface Bus {
  /**
   * Calls a method and returns what it returned, argument by argument. Connects first when needed.
   * Rejects with `UNAVAILABLE` when the bus, the service or the answer is missing (the call may have happened), `FORBIDDEN`
   * when it's not allowed, `INTERNAL` for any other error reply; the cause is a {@link BusReplyError} for error replies.
   * On abort: the signal's reason.
   */
  call(call: BusCall, signal: AbortSignal): Promise<readonly unknown[]>;
  /**
   * Calls `handler` for each matching signal until the returned function is called; again after each reconnection. Signals that
   * follow a later {@link call} on this bus are seen. A signal that was sent to this connection alone is never delivered:
   * anyone may send those.
   * @param onTaken told for each connection whether the bus daemon took the rule: it takes only so many, 512 as it's delivered, and
   *   without the rule no signal comes
   */
  subscribe(match: BusMatch, handler: (signal: BusSignal) => void, onTaken?: (isTaken: boolean) => void): () => void;
  /** Calls `handler` each time a connection is ready, matches included: what was known may be old. Returns the cancel. */
  onConnect(handler: () => void): () => void;
  /** Calls `handler` each time the connection is lost. Returns the cancel. */
  onDisconnect(handler: () => void): () => void;
  /** Ends the connection; calls in flight reject with `UNAVAILABLE`. */
  close(): void;
}
