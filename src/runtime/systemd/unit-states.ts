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
/** What is forgotten while a look waits for answers is asked for again, so often at most. */
const ROUNDS = 5;

interface StatesContext {
  readonly bus: Bus;
  readonly manager: SystemdManager;
  readonly clock: Clock;
}

interface Entry {
  readonly unit: string;
  readonly needed: readonly Needed[];
  readonly known: Map<string, unknown>;
  /** How often each property was forgotten: an answer to what was asked before is of before. */
  readonly forgotten: Map<string, number>;
  /** What systemd has told of the unit as one of its type, and not yet of the unit itself. */
  readonly ahead: Map<string, unknown>;
  /** Its signals come. */
  isHeard: boolean;
  readonly unsubscribe: () => void;
}

/**
 * What systemd says of the units that we own. Each unit is asked for once; from then on the signals of just that unit carry
 * every property that moves, so that an observation costs no call. States are compared with systemd's list now and then. A unit
 * whose signals the bus daemon refuses to pass on is asked for in each look.
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
    const unsubscribe = this.#bus.subscribe(
      match,
      (signal) => this.#merge(unit, signal),
      (isTaken) => {
        entry.isHeard = isTaken;
      },
    );
    const entry: Entry = {
      unit,
      needed: neededProperties(unit),
      known: new Map(),
      forgotten: new Map(),
      ahead: new Map(),
      isHeard: true,
      unsubscribe,
    };
    this.#entries.set(unit, entry);
    return entry;
  }

  /** What counts of a unit at the beginning of a look: nothing where no signal tells what has become of it since the last. */
  #fresh(unit: string): Entry {
    const entry = this.#entry(unit);
    if (!entry.isHeard) forgetAll(entry);
    return entry;
  }

  forget(unit: string): void {
    this.#entries.get(unit)?.unsubscribe();
    this.#entries.delete(unit);
  }

  /** What is known of it may be older than what systemd was asked to do: it's asked again. */
  doubt(unit: string): void {
    const entry = this.#entries.get(unit);
    if (entry !== undefined) forgetAll(entry);
  }

  /** After a lost connection: signals may have been missed. */
  forgetStates(): void {
    for (const entry of this.#entries.values()) {
      forgetAll(entry);
      entry.ahead.clear();
    }
  }

  /** After systemd has read all files again. States go on, and their signals were not missed. */
  forgetDefinitions(): void {
    for (const entry of this.#entries.values()) for (const name of fixedProperties) forgetOne(entry, name);
    this.#auditAtMs = 0;
  }

  /**
   * The properties of exactly these units, all as of one moment. Rejects with `UNAVAILABLE` when systemd answers nothing for one of
   * them: left out, it would look as if it weren't there, thus stopped, or to be made anew.
   */
  async observe(units: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, UnitProperties>> {
    const wanted = new Set(units);
    for (const unit of this.#entries.keys()) if (!wanted.has(unit)) this.forget(unit);
    const entries = units.map((unit) => this.#fresh(unit));
    if (this.#clock.monotonicMs() >= this.#auditAtMs) await this.#audit(units, signal);
    await complete(entries, (entry) => this.#see(entry, signal));
    return new Map(entries.map(({ unit, known }) => [unit, new Map(known)]));
  }

  async #see(entry: Entry, signal: AbortSignal): Promise<void> {
    try {
      await this.#ask(entry, signal);
    } catch (cause) {
      if (signal.aborted || errorCodeOf(cause) !== 'INTERNAL') throw cause;
      throw new AgentError('UNAVAILABLE', `Cannot read the state of unit "${entry.unit}"`, { cause });
    }
  }

  async #audit(units: readonly string[], signal: AbortSignal): Promise<void> {
    const nextMs = this.#clock.monotonicMs() + AUDIT_EVERY_MS;
    if (units.length > 0) {
      for (const [unit, { load, active, sub }] of await this.#manager.listUnits(units, signal)) {
        const entry = this.#entries.get(unit);
        if (entry === undefined) continue;
        const { known } = entry;
        const isSame =
          (known.get('ActiveState') ?? active) === active &&
          (known.get('SubState') ?? sub) === sub &&
          (known.get('LoadState') ?? load) === load;
        if (!isSame) forgetAll(entry);
      }
    }
    this.#auditAtMs = nextMs;
  }

  /** The unit's properties at this moment. Asks for those not known. */
  async read(unit: string, signal: AbortSignal): Promise<UnitProperties> {
    const entry = this.#fresh(unit);
    await complete([entry], () => this.#ask(entry, signal));
    return new Map(entry.known);
  }

  /** Asks for what isn't known. A signal that comes meanwhile is newer than the answer. */
  async #ask(entry: Entry, signal: AbortSignal): Promise<void> {
    const { unit, known, forgotten } = entry;
    await Promise.all(
      missingOf(entry).map(async ({ iface, name }) => {
        const before = forgotten.get(name);
        const value = await this.#manager.unitProperty(unit, iface, name, signal);
        if (!known.has(name) && forgotten.get(name) === before) known.set(name, value);
      }),
    );
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

function missingOf({ needed, known }: Entry): readonly Needed[] {
  return needed.filter(({ name }) => !known.has(name));
}

/** Asks until nothing is missing of any: while one is waited for, a reload makes what was known of another forgotten. */
async function complete(entries: readonly Entry[], ask: (entry: Entry) => Promise<void>): Promise<void> {
  for (let round = 0; ; round += 1) {
    const incomplete = entries.filter((entry) => missingOf(entry).length > 0);
    if (incomplete.length === 0) return;
    if (round === ROUNDS)
      throw new AgentError('UNAVAILABLE', `Cannot read the state of units: it was in doubt again ${ROUNDS} times`);
    await Promise.all(incomplete.map(ask));
  }
}

function forgetOne({ known, forgotten }: Entry, name: string): void {
  known.delete(name);
  forgotten.set(name, (forgotten.get(name) ?? 0) + 1);
}

function forgetAll(entry: Entry): void {
  for (const { name } of entry.needed) forgetOne(entry, name);
}

function neededProperties(unit: string): Needed[] {
  const iface = typeInterface(unit);
  const ofType = unitType(unit) === 'service' ? serviceProperties : ['Result'];
  return [
    ...unitProperties.map((name) => ({ iface: UNIT_INTERFACE, name })),
    ...ofType.map((name) => ({ iface, name })),
  ];
}
