import { busErrorName } from '../../bus/bus-errors.ts';
import type { Bus, BusCall } from '../../bus/port.ts';
import { AgentError } from '../../domain/errors.ts';
import { unitObjectPath } from './unit-names.ts';

/** systemd on the bus. */
export const SYSTEMD = 'org.freedesktop.systemd1';
export const MANAGER_PATH = '/org/freedesktop/systemd1';
export const MANAGER_INTERFACE = 'org.freedesktop.systemd1.Manager';
export const UNIT_INTERFACE = 'org.freedesktop.systemd1.Unit';
export const PROPERTIES_INTERFACE = 'org.freedesktop.DBus.Properties';

/** systemd can be busy for long: at boot, in a reload, while hundreds of units start. */
const CALL_LIMIT_MS = 30_000;
const RELOAD_LIMIT_MS = 120_000;

/** A link that enabling a unit made or removed. */
export interface InstallChange {
  readonly type: string;
  readonly path: string;
}

export interface ListedUnit {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
}

/** systemd's manager, method by method, with its answers checked. */
export class SystemdManager {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async subscribe(signal: AbortSignal): Promise<void> {
    await this.#call('Subscribe', [], '', signal).catch((error: unknown) => {
      if (busErrorName(error) !== 'org.freedesktop.systemd1.AlreadySubscribed') throw error;
    });
  }

  /** Queues a job and returns its object path. */
  async startUnit(unit: string, signal: AbortSignal): Promise<string> {
    return asString((await this.#call('StartUnit', [unit, 'replace'], 'ss', signal))[0]);
  }

  /** Queues a job and returns its object path; undefined when systemd has no such unit. */
  async stopUnit(unit: string, signal: AbortSignal): Promise<string | undefined> {
    return unlessNoSuchUnit(async () => asString((await this.#call('StopUnit', [unit, 'replace'], 'ss', signal))[0]));
  }

  /** True when systemd has the unit in memory; looks at no file. */
  async isLoaded(unit: string, signal: AbortSignal): Promise<boolean> {
    const path = await unlessNoSuchUnit(() => this.#call('GetUnit', [unit], 's', signal));
    return path !== undefined;
  }

  async resetFailed(unit: string, signal: AbortSignal): Promise<void> {
    await unlessNoSuchUnit(() => this.#call('ResetFailedUnit', [unit], 's', signal));
  }

  /** Makes the links of [Install] in /run; replaces none that is there. */
  async enable(unit: string, signal: AbortSignal): Promise<InstallChange[]> {
    const [, changes] = await this.#call('EnableUnitFiles', [[unit], true, false], 'asbb', signal);
    return asChanges(changes);
  }

  async disable(unit: string, signal: AbortSignal): Promise<InstallChange[]> {
    const [changes] = await this.#call('DisableUnitFiles', [[unit], true], 'asb', signal);
    return asChanges(changes);
  }

  /** Resolves once systemd has read all unit files again. */
  async reload(signal: AbortSignal): Promise<void> {
    await this.#call('Reload', [], '', signal, RELOAD_LIMIT_MS);
  }

  async listUnits(units: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, ListedUnit>> {
    const [rows] = await this.#call('ListUnitsByNames', [units], 'as', signal);
    const listed = new Map<string, ListedUnit>();
    for (const row of asArray(rows)) {
      const [name, , load, active, sub] = asArray(row);
      listed.set(asString(name), { load: asString(load), active: asString(active), sub: asString(sub) });
    }
    return listed;
  }

  async version(signal: AbortSignal): Promise<string> {
    return asString(await this.#property(MANAGER_PATH, MANAGER_INTERFACE, 'Version', signal));
  }

  /** The folders in which systemd looks for unit files, first wins. */
  async unitFolders(signal: AbortSignal): Promise<readonly string[]> {
    return asArray(await this.#property(MANAGER_PATH, MANAGER_INTERFACE, 'UnitPath', signal)).map(asString);
  }

  /** A property of a unit; reading one makes systemd load the unit. */
  async unitProperty(unit: string, iface: string, name: string, signal: AbortSignal): Promise<unknown> {
    return this.#property(unitObjectPath(unit), iface, name, signal);
  }

  /** True while the job is queued or runs. */
  async hasJob(path: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#property(path, 'org.freedesktop.systemd1.Job', 'State', signal);
      return true;
    } catch (error) {
      if (busErrorName(error) === 'org.freedesktop.DBus.Error.UnknownObject') return false;
      throw error;
    }
  }

  async #property(path: string, iface: string, name: string, signal: AbortSignal): Promise<unknown> {
    const call: BusCall = {
      destination: SYSTEMD,
      path,
      interface: PROPERTIES_INTERFACE,
      member: 'Get',
      signature: 'ss',
      args: [iface, name],
      timeoutMs: CALL_LIMIT_MS,
    };
    return (await this.#bus.call(call, signal))[0];
  }

  #call(
    member: string,
    args: readonly unknown[],
    signature: string,
    signal: AbortSignal,
    timeoutMs = CALL_LIMIT_MS,
  ): Promise<readonly unknown[]> {
    const target = { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER_INTERFACE, member, timeoutMs };
    return this.#bus.call(signature === '' ? target : { ...target, signature, args }, signal);
  }
}

async function unlessNoSuchUnit<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (isNoSuchUnit(error)) return undefined;
    throw error;
  }
}

/** True for systemd's answer that it has no such unit. */
export function isNoSuchUnit(error: unknown): boolean {
  return busErrorName(error) === 'org.freedesktop.systemd1.NoSuchUnit';
}

/** A string in an answer. */
export function asString(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new AgentError('INTERNAL', `Cannot read systemd's answer "${String(value)}": expected a string`);
}

function asArray(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new AgentError('INTERNAL', `Cannot read systemd's answer "${String(value)}": expected a list`);
}

function asChanges(value: unknown): InstallChange[] {
  return asArray(value).map((row) => {
    const [type, path] = asArray(row);
    return { type: asString(type), path: asString(path) };
  });
}
