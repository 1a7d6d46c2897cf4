import type { Bus, BusSignal } from '../../bus/port.ts';
import { AgentError, errorCodeOf } from '../../domain/errors.ts';
import type { Clock } from '../../loop/clock.ts';
import { PROPERTIES_INTERFACE, SYSTEMD, type SystemdManager, UNIT_INTERFACE } from './systemd-manager.ts';
import { typeInterface, unitObjectPath, unitType } from './unit-names.ts';

/** What is known of one unit: systemd's properties by name. */
export type UnitProperties = ReadonlyMap<string, unknown>;

interface Needed {
  readonly iface: string;
  readonly name: string;
}

const unitProperties = [
  'LoadState',
  'ActiveState',
  'SubState',
  'ActiveEnterTimestamp',
  'ActiveEnterTimestampMonotonic',
  'InactiveEnterTimestamp',
  'Job',
];
const serviceProperties = ['Result', 'MainPID', 'ExecMainCode', 'ExecMainStatus', 'NRestarts', 'Restart'];

/** Not in any signal; they can only change when systemd reads the unit's file again. */
const fixedProperties = ['LoadState', 'Restart'];

/** Should a signal be lost, states are right again after so long. */
const AUDIT_EVERY_MS = 50_000;

interface StatesContext {
  readonly bus: Bus;
  readonly manager: SystemdManager;
  readonly clock: Clock;
}

interface Entry {
  readonly needed: readonly Needed[];
  readonly known: Map<string, unknown>;
  /** What systemd has told of the unit as one of its type, and not yet of the unit itself. */
  readonly ahead: Map<string, unknown>;
  readonly unsubscribe: () => void;
}

/**
 * What systemd says of the units that we own. Each unit is asked for once; from then on the signals of just that unit carry
 * every property that moves, so that an observation costs no call. States are compared with systemd's list now and then.
 */
export class UnitStates {
  readonly #bus: Bus;
  readonly #manager: SystemdManager;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  #auditAtMs = 0;

  constructor({ bus, manager, clock }: StatesContext, onChange: () => void) {
    this.#bus = bus;
    this.#manager = manager;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Watches a unit from now on. */
  track(unit: string): void {
    this.#entry(unit);
  }

  #entry(unit: string): Entry {
    const tracked = this.#entries.get(unit);
    if (tracked !== undefined) return tracked;
    const match = {
      sender: SYSTEMD,
      path: unitObjectPath(unit),
      interface: PROPERTIES_INTERFACE,
      member: 'PropertiesChanged',
    };
    const unsubscribe = this.#bus.subscribe(match, (signal) => this.#merge(unit, signal));
    const entry: Entry = { needed: neededProperties(unit), known: new Map(), ahead: new Map(), unsubscribe };
    this.#entries.set(unit, entry);
    return entry;
  }

  forget(unit: string): void {
    this.#entries.get(unit)?.unsubscribe();
    this.#entries.delete(unit);
  }

  /** What is known of it may be older than what systemd was asked to do: it's asked again. */
  doubt(unit: string): void {
    this.#entries.get(unit)?.known.clear();
  }

  /** After a lost connection: signals may have been missed. */
  forgetStates(): void {
    for (const { known, ahead } of this.#entries.values()) {
      known.clear();
      ahead.clear();
    }
  }

  /** After systemd has read all files again. States go on, and their signals were not missed. */
  forgetDefinitions(): void {
    for (const { known } of this.#entries.values()) for (const name of fixedProperties) known.delete(name);
    this.#auditAtMs = 0;
  }

  /**
   * The properties of exactly these units. Rejects with `UNAVAILABLE` when systemd answers nothing for one of them: left out, it would
   * look as if it weren't there, thus stopped, or to be made anew.
   */
  async observe(units: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, UnitProperties>> {
    const wanted = new Set(units);
    for (const unit of this.#entries.keys()) if (!wanted.has(unit)) this.forget(unit);
    for (const unit of units) this.track(unit);
    if (this.#clock.monotonicMs() >= this.#auditAtMs) await this.#audit(units, signal);
    return new Map(await Promise.all(units.map(async (unit) => [unit, await this.#see(unit, signal)] as const)));
  }

  async #see(unit: string, signal: AbortSignal): Promise<UnitProperties> {
    try {
      return await this.read(unit, signal);
    } catch (cause) {
      if (signal.aborted || errorCodeOf(cause) !== 'INTERNAL') throw cause;
      throw new AgentError('UNAVAILABLE', `Cannot read the state of unit "${unit}"`, { cause });
    }
  }

  async #audit(units: readonly string[], signal: AbortSignal): Promise<void> {
    const nextMs = this.#clock.monotonicMs() + AUDIT_EVERY_MS;
    if (units.length > 0) {
      for (const [unit, { load, active, sub }] of await this.#manager.listUnits(units, signal)) {
        const known = this.#entries.get(unit)?.known;
        if (known === undefined) continue;
        const isSame =
          (known.get('ActiveState') ?? active) === active &&
          (known.get('SubState') ?? sub) === sub &&
          (known.get('LoadState') ?? load) === load;
        if (!isSame) known.clear();
      }
    }
    this.#auditAtMs = nextMs;
  }

  /** The unit's properties. Asks for those not known; a signal that comes meanwhile is newer than the answer. */
  async read(unit: string, signal: AbortSignal): Promise<UnitProperties> {
    const { needed, known } = this.#entry(unit);
    const missing = needed.filter(({ name }) => !known.has(name));
    await Promise.all(
      missing.map(async ({ iface, name }) => {
        const value = await this.#manager.unitProperty(unit, iface, name, signal);
        if (!known.has(name)) known.set(name, value);
      }),
    );
    return known;
  }

  /**
   * Each change comes as two signals, the first of the unit's type, the second of the unit: only both together are a state that the unit
   * was ever in. Between them a restart after a failure looks like one after an end that was well.
   */
  #merge(unit: string, { body }: BusSignal): void {
    const { needed, known, ahead } = this.#entry(unit);
    const [iface, changed] = body;
    if (typeof changed !== 'object' || changed === null) return;
    for (const { iface: of, name } of needed) {
      if (of === iface && Object.hasOwn(changed, name))
        ahead.set(name, (changed as Readonly<Record<string, unknown>>)[name]);
    }
    if (iface !== UNIT_INTERFACE) return;
    let isNews = false;
    for (const [name, value] of ahead) {
      if (known.get(name) === value) continue;
      known.set(name, value);
      isNews = true;
    }
    ahead.clear();
    if (isNews) this.#onChange();
  }

  close(): void {
    for (const unit of [...this.#entries.keys()]) this.forget(unit);
  }
}

function neededProperties(unit: string): Needed[] {
  const iface = typeInterface(unit);
  const ofType = unitType(unit) === 'service' ? serviceProperties : ['Result'];
  return [
    ...unitProperties.map((name) => ({ iface: UNIT_INTERFACE, name })),
    ...ofType.map((name) => ({ iface, name })),
  ];
}
