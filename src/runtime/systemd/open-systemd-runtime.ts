import type { Bus } from '../../bus/port.ts';
import { AgentError } from '../../domain/errors.ts';
import type { ClusterId, InstanceKey } from '../../domain/ids.ts';
import type { ObservedInstance } from '../../domain/status.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Log } from '../../loop/log.ts';
import { readUsage } from '../control-group-usage.ts';
import type {
  ExecOrder,
  ExecSession,
  InstanceUsage,
  LogLines,
  LogOptions,
  Runtime,
  StartOrder,
  StartProgress,
} from '../port.ts';
import { describeUnit, isStartSeen } from './describe-unit.ts';
import { execBesideUnit, stopUnit } from './exec-unit.ts';
import { readJournal } from './journal.ts';
import { asString, MANAGER_INTERFACE, MANAGER_PATH, SYSTEMD, SystemdManager } from './systemd-manager.ts';
import { UnitControl } from './unit-control.ts';
import { safeUnitName, typeInterface, unitType } from './unit-names.ts';
import { UnitStates } from './unit-states.ts';
import { UnitStore } from './unit-store.ts';
import type { OwnershipRecord } from './unit-text.ts';

/** What the systemd runtime needs. */
export interface SystemdRuntimeOptions {
  readonly clusterId: ClusterId;
  /** The system bus; shared, so not closed with the runtime. */
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** CLOCK_MONOTONIC in microseconds, on which systemd counts how long a unit has been active. */
  readonly monotonicUs: () => number;
  /** Prefixed to every path: `/proc/<pid>/root` to look after another machine's systemd; empty by default. */
  readonly root?: string;
  /** Put before commands that look after that machine: none by default. */
  readonly enter?: readonly string[];
  /** How to run journalctl: `['journalctl']` by default. */
  readonly journalctl?: readonly string[];
}

/** Units over D-Bus. Does no I/O before it's used; {@link Runtime.close} ends its subscriptions and stops no unit. */
export function openSystemdRuntime(options: SystemdRuntimeOptions): Runtime {
  return new SystemdRuntime(options);
}

class SystemdRuntime implements Runtime {
  readonly kind = 'systemd';
  readonly #options: SystemdRuntimeOptions;
  readonly #store: UnitStore;
  readonly #manager: SystemdManager;
  readonly #states: UnitStates;
  readonly #control: UnitControl;
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #closed = new AbortController();

  constructor(options: SystemdRuntimeOptions) {
    const { bus, clock } = options;
    this.#options = options;
    this.#store = new UnitStore(options.root ?? '', (unit) =>
      options.log.warn({ unit }, 'unit file was removed by hand, put back'),
    );
    this.#manager = new SystemdManager(bus);
    this.#states = new UnitStates({ bus, manager: this.#manager, clock }, () => this.#changed());
    const parts = { store: this.#store, manager: this.#manager, states: this.#states };
    this.#control = new UnitControl(options, parts);
    const manager = { sender: SYSTEMD, path: MANAGER_PATH, interface: MANAGER_INTERFACE };
    const owner = { sender: 'org.freedesktop.DBus', interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged' };
    this.#unsubscribe = [
      bus.onConnect(() => this.#subscribe()),
      bus.subscribe({ ...owner, arg0: SYSTEMD }, ({ body }) => {
        if (body[2] === '') this.#lost();
        else this.#subscribe();
      }),
      bus.onDisconnect(() => this.#lost()),
      bus.subscribe({ ...manager, member: 'Reloading' }, ({ body }) => {
        if (body[0] === false) this.#reloaded();
      }),
    ];
    this.#subscribe();
  }

  async version(signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    return this.#store.isBooted() ? this.#manager.version(signal) : undefined;
  }

  async observe(signal: AbortSignal): Promise<readonly ObservedInstance[]> {
    signal.throwIfAborted();
    if (!this.#store.isBooted()) return [];
    const owned = [...this.#store.list()].filter(([, record]) => record.cluster === this.#options.clusterId);
    const units = owned.map(([unit]) => unit);
    const states = await this.#states.observe(units, signal);
    const monotonicUs = this.#options.monotonicUs();
    return owned.flatMap(([unit, record]) => {
      const properties = states.get(unit);
      if (properties === undefined) return [];
      if (isStartSeen(properties)) this.#store.markSeenUp(unit);
      const seen = describeUnit(record, properties, { everStarted: this.#store.wasStarted(unit), monotonicUs });
      return this.#store.isEdited(unit) ? withEdit(seen) : seen;
    });
  }

  async start(order: StartOrder, onProgress: (progress: StartProgress) => void, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const unit = safeUnitName(order.key);
    const text = unitTextOf(order);
    onProgress({ phase: 'starting' });
    await this.#control.start(unit, { ...order, text }, signal);
  }

  async install(order: StartOrder, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#control.install(safeUnitName(order.key), { ...order, text: unitTextOf(order) }, signal);
  }

  async stop(key: InstanceKey, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const unit = safeUnitName(key);
    if (this.#record(unit, key) !== undefined) await this.#control.stop(unit, signal);
  }

  async remove(key: InstanceKey, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const unit = safeUnitName(key);
    if (this.#record(unit, key) !== undefined) await this.#control.remove(unit, signal);
  }

  async *logs(key: InstanceKey, options: LogOptions, signal: AbortSignal): AsyncIterable<LogLines> {
    const unit = safeUnitName(key);
    if (this.#record(unit, key) === undefined) {
      throw new AgentError('NOT_FOUND', `Cannot read the journal of "${unit}": no such instance on this node`);
    }
    yield* readJournal(this.#options.journalctl ?? ['journalctl'], unit, options, signal);
  }

  async exec(key: InstanceKey, order: ExecOrder, signal: AbortSignal): Promise<ExecSession> {
    const unit = safeUnitName(key);
    if (this.#record(unit, key) === undefined) {
      throw new AgentError('NOT_FOUND', `Cannot run a command in "${unit}": no such instance on this node`);
    }
    const property = async (name: string) => this.#manager.unitProperty(unit, typeInterface(unit), name, signal);
    const pid = unitType(unit) === 'service' ? Number(await property('MainPID')) : 0;
    if (pid === 0) throw new AgentError('CONFLICT', `Cannot run a command in "${unit}": expected it to have a process`);
    const slice = asString(await property('Slice'));
    const stopScope = (scope: string) => stopUnit(this.#manager, scope, this.#options.clock, this.#closed.signal);
    const { root = '', enter = [] } = this.#options;
    return execBesideUnit({ unit, pid, slice, root, enter, stopScope }, order);
  }

  async usage(signal: AbortSignal): Promise<readonly InstanceUsage[]> {
    const instances = await this.observe(signal);
    const running = instances.map(({ key, pid }) => ({ key, pid, within: safeUnitName(key) }));
    return readUsage(running, this.#options.root);
  }

  async resolveImage(): Promise<undefined> {
    return undefined;
  }

  run(onChange: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#listeners.delete(onChange);
        resolve();
      };
      if (signal.aborted) {
        resolve();
        return;
      }
      signal.addEventListener('abort', end, { once: true });
      this.#listeners.add(onChange);
      onChange();
    });
  }

  close(): void {
    this.#closed.abort();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#control.close();
    this.#states.close();
    this.#listeners.clear();
  }

  /** The record of this instance; undefined when there's no such unit, or it belongs to someone else. */
  #record(unit: string, key: InstanceKey): OwnershipRecord | undefined {
    const record = this.#store.record(unit);
    return record?.cluster === this.#options.clusterId && record.key === key ? record : undefined;
  }

  /** systemd forgets who listens when its connection or ours ends; what was missed meanwhile is asked for again. */
  #subscribe(): void {
    this.#control.forget();
    this.#store.forgetAll();
    this.#states.forgetStates();
    if (!this.#store.isBooted()) return;
    this.#manager.subscribe(this.#closed.signal).then(
      () => this.#changed(),
      (err: unknown) => {
        if (!this.#closed.signal.aborted) this.#options.log.warn({ err }, 'systemd does not tell of changes yet');
      },
    );
  }

  /** What was known is no answer to what is: until systemd is back, observations fail. */
  #lost(): void {
    this.#states.forgetStates();
    this.#changed();
  }

  #reloaded(): void {
    this.#states.forgetDefinitions();
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function unitTextOf({ key, run }: StartOrder): string {
  if (run.kind === 'unit') return run.text;
  throw new AgentError('INVALID_INPUT', `Cannot start "${key}": expected the text of a unit, not a container`);
}

/** Said until the next start, which writes the file anew; what systemd itself reports comes first. */
function withEdit(seen: ObservedInstance): ObservedInstance {
  return { error: 'its unit file was changed by hand: the next start puts it right', ...seen };
}
