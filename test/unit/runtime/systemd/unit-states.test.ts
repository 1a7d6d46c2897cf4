import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus, BusCall, BusMatch, BusSignal } from '../../../../src/bus/port.ts';
import { AgentError } from '../../../../src/domain/errors.ts';
import { SystemdManager, UNIT_INTERFACE } from '../../../../src/runtime/systemd/systemd-manager.ts';
import { unitObjectPath } from '../../../../src/runtime/systemd/unit-names.ts';
import { UnitStates } from '../../../../src/runtime/systemd/unit-states.ts';
import { FakeClock, settle } from '../../../support/fake-clock.ts';

const never = new AbortController().signal;
const SERVICE_INTERFACE = 'org.freedesktop.systemd1.Service';
const unit = 'web.service';

/** A bus with one unit, which tells of its changes when the test says so. */
class UnitBus implements Bus {
  readonly properties = new Map<unknown, unknown>([
    ['ActiveState', 'activating'],
    ['SubState', 'auto-restart'],
    ['Result', 'exit-code'],
    ['NRestarts', 3],
    ['LoadState', 'loaded'],
    ['Restart', 'on-failure'],
  ]);
  /** Units of which it answers nothing, by a part of their path. */
  readonly unanswered = new Set<string>();
  /** Answers about units of which the path has `slow` wait for it. */
  gate: Promise<void> | undefined;
  asked = 0;
  #handler: (signal: BusSignal) => void = () => {};
  /** By path: what tells of each subscription whether it was taken. */
  readonly subscribed = new Map<string, (isTaken: boolean) => void>();

  async call({ member, path, args = [] }: BusCall): Promise<readonly unknown[]> {
    if ([...this.unanswered].some((part) => path.includes(part)))
      throw new AgentError('INTERNAL', 'Cannot call "Get": no such object');
    this.asked += 1;
    if (member !== 'Get') return [[]];
    const value = this.properties.get(args[1]) ?? 0;
    if (path.includes('slow')) await this.gate;
    return [value];
  }

  subscribe(
    { path = '' }: BusMatch,
    handler: (signal: BusSignal) => void,
    onTaken: (isTaken: boolean) => void = () => {},
  ): () => void {
    this.#handler = handler;
    this.subscribed.set(path, onTaken);
    return () => {};
  }

  onConnect(): () => void {
    return () => {};
  }

  onDisconnect(): () => void {
    return () => {};
  }

  close(): void {}

  tell(iface: string, changed: Readonly<Record<string, unknown>>): void {
    const of = { path: '/', interface: 'org.freedesktop.DBus.Properties', member: 'PropertiesChanged' };
    this.#handler({ ...of, body: [iface, changed, []] });
  }
}

async function open() {
  const bus = new UnitBus();
  const manager = new SystemdManager(bus);
  let changes = 0;
  const states = new UnitStates({ bus, manager, clock: new FakeClock() }, () => {
    changes += 1;
  });
  const read = async () => {
    const known = await states.read(unit, never);
    return [known.get('SubState'), known.get('Result'), known.get('NRestarts')];
  };
  await read();
  return { bus, states, read, changes: () => changes };
}

test('what systemd tells of the type counts with what it tells of the unit, which comes after it', async () => {
  const { bus, read, changes } = await open();
  assert.deepEqual(await read(), ['auto-restart', 'exit-code', 3]);
  bus.tell(SERVICE_INTERFACE, { Result: 'success', NRestarts: 4 });
  assert.deepEqual(await read(), ['auto-restart', 'exit-code', 3], 'it never was waiting after a success');
  assert.equal(changes(), 0);
  bus.tell(UNIT_INTERFACE, { SubState: 'start-pre' });
  assert.deepEqual(await read(), ['start-pre', 'success', 4]);
  assert.equal(changes(), 1);
  bus.tell(SERVICE_INTERFACE, { Result: 'success', NRestarts: 4 });
  bus.tell(UNIT_INTERFACE, { SubState: 'start-pre' });
  assert.equal(changes(), 1, 'the same again is no news');
});

test('half a change from before a lost connection is forgotten with the rest', async () => {
  const { bus, states, read } = await open();
  bus.tell(SERVICE_INTERFACE, { Result: 'success' });
  states.forgetStates();
  assert.deepEqual(await read(), ['auto-restart', 'exit-code', 3]);
  bus.tell(UNIT_INTERFACE, { SubState: 'failed' });
  assert.deepEqual(await read(), ['failed', 'exit-code', 3]);
});

test('a look fails when systemd answers nothing for one of its units, which would look as if it weren’t there', async () => {
  const { bus, states } = await open();
  bus.unanswered.add('other');
  await assert.rejects(states.observe([unit, 'other.service'], never), {
    code: 'UNAVAILABLE',
    message: 'Cannot read the state of unit "other.service"',
  });
  bus.unanswered.clear();
  assert.deepEqual([...(await states.observe([unit, 'other.service'], never)).keys()], [unit, 'other.service']);
});

const forgets: readonly (readonly [what: string, forget: (states: UnitStates) => void])[] = [
  ['systemd reads all files again', (states) => states.forgetDefinitions()],
  ['the connection is lost and back', (states) => states.forgetStates()],
  ['a start of it is given up', (states) => states.doubt(unit)],
];
for (const [what, forget] of forgets) {
  test(`a look shows all of a unit when, while another is waited for, ${what}`, async () => {
    const { bus, states } = await open();
    const { promise, resolve } = Promise.withResolvers<void>();
    bus.gate = promise;
    const looking = states.observe([unit, 'slow.service'], never);
    await settle();
    forget(states);
    resolve();
    const seen = (await looking).get(unit);
    assert.deepEqual(
      ['LoadState', 'ActiveState', 'SubState', 'Restart'].map((name) => seen?.get(name)),
      ['loaded', 'activating', 'auto-restart', 'on-failure'],
    );
  });
}

test('an answer to what was asked before it was forgotten is not taken for what is', async () => {
  const { bus, states } = await open();
  const { promise, resolve } = Promise.withResolvers<void>();
  bus.gate = promise;
  const looking = states.observe(['slow.service'], never);
  await settle();
  bus.properties.set('Restart', 'no');
  states.forgetDefinitions();
  resolve();
  assert.equal((await looking).get('slow.service')?.get('Restart'), 'no');
});

test('a look gives up when what it asks for is in doubt again each time', async () => {
  const { bus, states } = await open();
  Object.defineProperty(bus, 'gate', { get: async () => states.doubt('slow.service') });
  await assert.rejects(states.observe(['slow.service'], never), { code: 'UNAVAILABLE', message: /in doubt again/ });
});

test('a look asks for nothing while nothing changes, and stays as it was when something does', async () => {
  const { bus, states } = await open();
  const first = await states.observe([unit], never);
  const { asked } = bus;
  assert.deepEqual(await states.observe([unit], never), first);
  assert.equal(bus.asked, asked);
  bus.tell(UNIT_INTERFACE, { SubState: 'running' });
  assert.equal(first.get(unit)?.get('SubState'), 'auto-restart');
  assert.equal((await states.observe([unit], never)).get(unit)?.get('SubState'), 'running');
  assert.equal(bus.asked, asked);
});

test('a unit whose signals the bus refuses to pass on is asked for in each look, until they come', async () => {
  const { bus, states } = await open();
  const subState = async () =>
    (await states.observe([unit, 'other.service'], never)).get('other.service')?.get('SubState');
  const observing = subState();
  const tell = bus.subscribed.get(unitObjectPath('other.service'));
  tell?.(false);
  assert.equal(await observing, 'auto-restart');
  bus.properties.set('SubState', 'running');
  assert.equal(await subState(), 'running');
  assert.equal((await states.observe([unit, 'other.service'], never)).get(unit)?.get('SubState'), 'auto-restart');
  bus.properties.set('SubState', 'dead');
  assert.equal((await states.read('other.service', never)).get('SubState'), 'dead');
  tell?.(true);
  const { asked } = bus;
  await subState();
  assert.equal(bus.asked, asked);
});
