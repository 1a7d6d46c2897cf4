import { openBus } from '../bus/open-bus.ts';
import type { Bus } from '../bus/port.ts';
import type { Clock } from '../loop/clock.ts';
import { silentLog } from '../loop/log.ts';
import type { SystemdFacts, UnitFacts } from './facts.ts';

/** What came with muster and must be there: the agent, and the dead man's switch. */
export const ownUnits = [
  ...['muster.service', 'muster-fence.service', 'muster-fence.target', 'muster-lease.target'],
  ...['muster-stop.slice', 'muster-switch.service', 'muster.slice'],
];

const systemd = 'org.freedesktop.systemd1';
const managerPath = '/org/freedesktop/systemd1';
const systemBusAddress = 'unix:path=/run/dbus/system_bus_socket';

/** systemd's version and state, and muster's own units. Rejects when the bus or systemd is away. */
export async function readSystemd(clock: Clock, signal: AbortSignal): Promise<SystemdFacts> {
  const bus = openBus({ address: systemBusAddress }, clock, silentLog);
  try {
    const [version, state] = await Promise.all(
      ['Version', 'SystemState'].map(async (name) => readProperty(bus, name, signal)),
    );
    const units = await Promise.all(ownUnits.map(async (name) => readUnit(bus, name, signal)));
    return { version: String(version), state: String(state), units };
  } finally {
    bus.close();
  }
}

async function readProperty(bus: Bus, name: string, signal: AbortSignal): Promise<unknown> {
  const [value] = await bus.call(
    {
      destination: systemd,
      path: managerPath,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      args: [`${systemd}.Manager`, name],
    },
    signal,
  );
  return value;
}

/** Loads it if it isn't: a unit without a file then says so. */
async function readUnit(bus: Bus, name: string, signal: AbortSignal): Promise<UnitFacts> {
  const [path] = await bus.call(
    {
      destination: systemd,
      path: managerPath,
      interface: `${systemd}.Manager`,
      member: 'LoadUnit',
      signature: 's',
      args: [name],
    },
    signal,
  );
  const [properties] = await bus.call(
    {
      destination: systemd,
      path: String(path),
      interface: 'org.freedesktop.DBus.Properties',
      member: 'GetAll',
      signature: 's',
      args: [`${systemd}.Unit`],
    },
    signal,
  );
  const all = properties as Readonly<Record<string, unknown>>;
  const text = (key: string) => (typeof all[key] === 'string' ? all[key] : '');
  return {
    name,
    load: text('LoadState'),
    active: text('ActiveState'),
    file: text('UnitFileState'),
    isOlderThanItsFile: all['NeedDaemonReload'] === true,
  };
}
