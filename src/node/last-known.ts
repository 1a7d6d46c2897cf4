import { errorText } from '../domain/errors.ts';
import type { InstanceKey } from '../domain/ids.ts';
import type { HostIdentity, StateFiles } from '../host/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { decodeLastKnown, encodeLastKnown, type KnownOrder, type LastKnownOrders } from './last-known-codec.ts';
import type { Order, Orders } from './order-book.ts';
import type { SpecReading } from './spec-reader.ts';

/** The state file's name. */
export const LAST_KNOWN_FILE = 'last-known-orders';

/** Changes of so long go into one write. */
const GATHER_MS = 1_000;
/** A disk that refuses is asked again. */
const RETRY = { firstMs: 5_000, maxMs: 300_000, jitter: 0.3 } as const;
const IDLE_MS = 3_600_000;

export interface LastKnownOptions {
  readonly stateFiles: StateFiles;
  readonly identity: () => Promise<Pick<HostIdentity, 'machineId' | 'productUuid'>>;
  readonly clusterId: string;
  readonly epoch: () => number;
  /** How long, from {@link LastKnown.run} on, the store has to answer. */
  readonly startAfterMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** The time has come: look whether the store has answered. */
  readonly onDue: () => void;
}

interface Noted {
  readonly orders: ReadonlyMap<InstanceKey, KnownOrder>;
  readonly epoch: number;
  readonly mark: string;
}

/** What is ordered, with the specs. */
export interface KnownOrders extends Orders {
  readonly readings: ReadonlyMap<InstanceKey, SpecReading>;
}

/** The orders that may be followed after a reboot without the store: kept on disk while they are known, read at the start. */
export class LastKnown {
  readonly #options: LastKnownOptions;
  #machine: Pick<HostIdentity, 'machineId' | 'productUuid'> | undefined;
  #found: LastKnownOrders | undefined;
  #isDue = false;
  #isReported = false;
  #noted: Noted | undefined;
  /** The mark of what is on the disk. */
  #storedMark = markOf(new Map(), 0);
  #wake = new AbortController();

  constructor(options: LastKnownOptions) {
    this.#options = options;
  }

  /**
   * The orders that the disk knows, once the store has had its time; undefined before that, and when there are none. Only to be
   * asked while the store has not been read.
   */
  get due(): KnownOrders | undefined {
    const { log, startAfterMs } = this.#options;
    if (!this.#isDue || this.#found === undefined || this.#found.orders.size === 0) return undefined;
    const known = [...this.#found.orders];
    if (!this.#isReported)
      log.warn({ instances: known.map(([key]) => key), afterMs: startAfterMs }, 'store does not answer, offline start');
    this.#isReported = true;
    return {
      readable: new Map(known.map(([key, { order }]) => [key, order])),
      unreadable: new Map(),
      readings: new Map(known.map(([key, { spec }]) => [key, { kind: 'read', spec }])),
    };
  }

  /** What the store orders now. Cheap; what has changed is on the disk some seconds later. */
  note({ readable, readings }: KnownOrders): void {
    const orders = new Map<InstanceKey, KnownOrder>();
    for (const [key, order] of readable) {
      const known = this.#known(order, readings.get(key));
      if (known !== undefined) orders.set(key, known);
    }
    const epoch = this.#options.epoch();
    const mark = markOf(orders, epoch);
    if (mark === this.#noted?.mark) return;
    this.#noted = { orders, epoch, mark };
    this.#wake.abort();
  }

  /** Reads what is on the disk, then writes what is noted, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, startAfterMs, onDue } = this.#options;
    const cancel = clock.after(startAfterMs, () => {
      this.#isDue = true;
      onDue();
    });
    const onAbort = () => this.#wake.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    await this.#load(signal);
    while (!signal.aborted) {
      this.#wake = new AbortController();
      if (this.#isWritten) await clock.sleep(IDLE_MS, this.#wake.signal);
      if (!this.#isWritten && (await clock.sleep(GATHER_MS, signal))) await this.#writeNoted(signal);
    }
    if (!this.#isWritten) await this.#write().catch(() => undefined); // the last chance; told of before, if it fails
    signal.removeEventListener('abort', onAbort);
    cancel();
  }

  get #isWritten(): boolean {
    return this.#noted === undefined || this.#noted.mark === this.#storedMark;
  }

  /** Of one whose spec can't be read just now, the disk keeps what it has. */
  #known(order: Order, reading: SpecReading | undefined): KnownOrder | undefined {
    const { assignment, key } = order;
    const mayStart = assignment.order === 'run' && assignment.disconnect === 'keep' && assignment.superseded !== true;
    if (!mayStart || assignment.offlineStart !== true) return undefined;
    if (reading?.kind === 'read') return { order, spec: reading.spec };
    const before = this.#noted?.orders.get(key) ?? this.#found?.orders.get(key);
    return before?.spec.number === assignment.spec ? { order, spec: before.spec } : undefined;
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { stateFiles, identity, clock, log, random, onDue } = this.#options;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        this.#machine ??= await identity();
        const text = await stateFiles.read(LAST_KNOWN_FILE);
        if (text !== undefined) await this.#take(text);
        if (this.#isDue) onDue();
        return;
      } catch (err) {
        if (failures === 1) log.warn({ err }, 'last known orders not read yet');
        await clock.sleep(backoffMs(failures, { ...RETRY, random }), signal);
      }
    }
  }

  async #take(text: string): Promise<void> {
    const { stateFiles, clusterId } = this.#options;
    try {
      const found = decodeLastKnown(text);
      const { machineId, productUuid } = this.#machine ?? {};
      if (found.machineId !== machineId || found.productUuid !== productUuid || found.cluster !== clusterId) {
        await stateFiles.setAside(LAST_KNOWN_FILE, 'it is of another machine or cluster');
        return;
      }
      this.#found = found;
      this.#storedMark = markOf(found.orders, found.epoch);
    } catch (error) {
      await stateFiles.setAside(LAST_KNOWN_FILE, errorText(error));
    }
  }

  async #writeNoted(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    for (let failures = 1; !signal.aborted && !this.#isWritten; failures += 1) {
      try {
        await this.#write();
        if (failures > 1) log.info({ failures }, 'last known orders written again');
      } catch (err) {
        if (failures === 1) log.error({ err }, 'last known orders not written');
        await clock.sleep(backoffMs(failures, { ...RETRY, random }), signal);
      }
    }
  }

  async #write(): Promise<void> {
    const { stateFiles, clusterId } = this.#options;
    const noted = this.#noted;
    if (noted === undefined || this.#machine === undefined) return;
    const { machineId, productUuid } = this.#machine;
    const { orders, epoch, mark } = noted;
    const text = encodeLastKnown({ machineId, productUuid, cluster: clusterId, epoch, orders });
    await stateFiles.write(LAST_KNOWN_FILE, text);
    this.#storedMark = mark;
  }
}

/** Tells one set from another without making its text: an order's revision and its spec's hash say all that is kept of it. */
function markOf(orders: ReadonlyMap<InstanceKey, KnownOrder>, epoch: number): string {
  if (orders.size === 0) return ''; // nothing to keep is as good as kept
  const lines = [...orders.values()].map(({ order, spec }) => `${order.key} ${order.revision} ${spec.hash}`);
  return [`${epoch}`, ...lines.sort()].join('\n');
}
