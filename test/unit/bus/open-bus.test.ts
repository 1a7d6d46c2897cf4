import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createBroker, createClient, type DBusBroker } from 'dbus-native';
import { busErrorName } from '../../../src/bus/bus-errors.ts';
import { openBus } from '../../../src/bus/open-bus.ts';
import type { BusCall, BusSignal } from '../../../src/bus/port.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const service = 'org.example.Service';
const never = new AbortController().signal;
const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
const listNames: BusCall = { ...daemon, member: 'ListNames' };

function echo(member: string, args: readonly unknown[], signature: string): BusCall {
  return { destination: service, path: '/org/example', interface: service, member, args, signature };
}

/** A folder of the test's own, gone with it. */
function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'muster-bus-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'bus');
}

async function listen(socket: string): Promise<DBusBroker> {
  return new Promise((resolve, reject) => {
    const broker = createBroker();
    broker.listen({ socket }, (error) => (error === null ? resolve(broker) : reject(error)));
  });
}

/** A service on the bus that echoes, fails, hangs and signals. */
async function serve(socket: string) {
  const client = createClient({ busAddress: `unix:path=${socket}` });
  client.connection.on('error', () => {});
  const methods = { Echo: ['t', 't'], Fail: ['', ''], Hang: ['', ''] } as const;
  const described = Object.entries(methods).map(([name, [input, output]]) => [name, [input, output, [], []]]);
  const open = new Set<() => void>();
  client.exportInterface(
    {
      Echo: (value: bigint) => value,
      Fail: () => {
        throw Object.assign(new Error('no'), { dbusName: 'org.example.Refused' });
      },
      Hang: () => new Promise<null>((resolve) => open.add(() => resolve(null))),
    },
    '/org/example',
    { name: service, methods: Object.fromEntries(described) },
  );
  await client.requestName(service, 0);
  return client;
}

/** A daemon, and the example service at it. */
async function serveAt(context: TestContext) {
  const socket = scratch(context);
  const broker = await listen(socket);
  context.after(() => broker.close());
  const peer = await serve(socket);
  context.after(() => peer.close());
  return { socket, broker, peer };
}

function busAt(context: TestContext, socket: string, clock = systemClock) {
  const bus = openBus({ address: `unix:path=${socket}` }, clock, silentLog);
  context.after(() => bus.close());
  return bus;
}

test('a bus returns what a method returned, 64-bit integers exactly', async (context) => {
  const { socket } = await serveAt(context);
  const bus = busAt(context, socket);
  assert.deepEqual(await bus.call(echo('Echo', [2n ** 63n + 1n], 't'), never), [2n ** 63n + 1n]);
});

test('a bus says by which name a call was refused', async (context) => {
  const { socket } = await serveAt(context);
  const bus = busAt(context, socket);
  await assert.rejects(bus.call(echo('Fail', [], ''), never), (error) => {
    assert.equal(busErrorName(error), 'org.example.Refused');
    assert.equal((error as { code?: unknown }).code, 'INTERNAL');
    return true;
  });
  const absent = { ...echo('Echo', [1n], 't'), destination: 'org.example.Absent' };
  await assert.rejects(bus.call(absent, never), { code: 'UNAVAILABLE' });
});

test('a bus rejects at once with UNAVAILABLE where there is no socket', async (context) => {
  const bus = busAt(context, scratch(context));
  await assert.rejects(bus.call(listNames, never), { code: 'UNAVAILABLE', message: /Cannot connect to the bus/ });
});

test('a bus gives up a call that is not answered in time, and one that is aborted with its reason', async (context) => {
  const { socket } = await serveAt(context);
  const clock = new FakeClock();
  const bus = busAt(context, socket, clock);
  await bus.call(listNames, never);
  const late = assert.rejects(bus.call({ ...echo('Hang', [], ''), timeoutMs: 700 }, never), {
    code: 'UNAVAILABLE',
    message: /no answer within 700 ms/,
  });
  await settle();
  await clock.advance(700);
  await late;
  const abort = new AbortController();
  const reason = new Error('wanted no more');
  const aborted = assert.rejects(bus.call(echo('Hang', [], ''), abort.signal), (error) => error === reason);
  abort.abort(reason);
  await aborted;
  assert.deepEqual(await bus.call(echo('Echo', [7n], 't'), never), [7n]);
});

test('a bus gives up a daemon that accepts and says nothing', async (context) => {
  const socket = scratch(context);
  const sockets = new Set<Socket>();
  const server: Server = createServer((peer) => sockets.add(peer));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  context.after(() => {
    for (const peer of sockets) peer.destroy();
    server.close();
  });
  const clock = new FakeClock();
  const bus = busAt(context, socket, clock);
  const hung = assert.rejects(bus.call(listNames, never), { code: 'UNAVAILABLE' });
  await eventually('the dial', 5_000, () => sockets.size > 0);
  await clock.advance(5_000);
  await hung;
});

test('a bus sends no more calls at once than the daemon takes, and answers all', async (context) => {
  const { socket } = await serveAt(context);
  const bus = busAt(context, socket);
  const answers = await Promise.all(
    Array.from({ length: 350 }, (_, index) => bus.call(echo('Echo', [BigInt(index)], 't'), never)),
  );
  assert.deepEqual(answers.at(-1), [349n]);
  const hanging = new AbortController();
  const hung = Array.from({ length: 150 }, () => bus.call(echo('Hang', [], ''), hanging.signal).catch(() => 'aborted'));
  await settle();
  hanging.abort();
  assert.deepEqual(new Set(await Promise.all(hung)), new Set(['aborted']));
  assert.deepEqual(await bus.call(echo('Echo', [1n], 't'), never), [1n]);
});

test('a bus delivers the signals that were asked for, and after cancel none', async (context) => {
  const { socket, peer } = await serveAt(context);
  const bus = busAt(context, socket);
  const seen: BusSignal[] = [];
  const match = { sender: service, interface: service, member: 'Happened', path: '/org/example' };
  const cancel = bus.subscribe(match, (signal) => seen.push(signal));
  await bus.call(listNames, never);
  peer.sendSignal('/org/example', service, 'Other', 's', ['x']);
  peer.sendSignal('/elsewhere', service, 'Happened', 's', ['x']);
  peer.sendSignal('/org/example', service, 'Happened', 's', ['one']);
  await eventually('the signal', 5_000, () => seen.length > 0);
  assert.deepEqual(seen, [{ path: '/org/example', interface: service, member: 'Happened', body: ['one'] }]);
  cancel();
  peer.sendSignal('/org/example', service, 'Happened', 's', ['two']);
  await bus.call(echo('Echo', [1n], 't'), never);
  assert.equal(seen.length, 1);
});

test('a bus ignores a signal that was sent to it alone', async (context) => {
  const { socket, broker, peer } = await serveAt(context);
  const bus = busAt(context, socket);
  const seen: BusSignal[] = [];
  bus.subscribe({ sender: service, interface: service }, (signal) => seen.push(signal));
  await bus.call(listNames, never);
  const mine = broker.names().find((name) => name.startsWith(':') && name !== peer.name);
  const forged = {
    type: 4,
    path: '/org/example',
    interface: service,
    member: 'Happened',
    signature: 's',
    body: ['forged'],
  };
  peer.connection.message({ ...forged, serial: 900_001, destination: mine ?? '' });
  peer.sendSignal('/org/example', service, 'Happened', 's', ['true']);
  await eventually('the signal', 5_000, () => seen.length > 0);
  assert.deepEqual(
    seen.map(({ body }) => body),
    [['true']],
  );
});

test('a bus comes back by itself, tells so, and its subscriptions hold again', async (context) => {
  const socket = scratch(context);
  let broker = await listen(socket);
  context.after(() => broker.close());
  let peer = await serve(socket);
  context.after(() => peer.close());
  const bus = busAt(context, socket);
  const seen: unknown[] = [];
  let connects = 0;
  let losses = 0;
  bus.onConnect(() => {
    connects += 1;
  });
  bus.onDisconnect(() => {
    losses += 1;
  });
  bus.subscribe({ sender: service, interface: service, member: 'Happened' }, ({ body }) => seen.push(body[0]));
  await bus.call(echo('Echo', [1n], 't'), never);
  const hung = assert.rejects(bus.call(echo('Hang', [], ''), never), { code: 'UNAVAILABLE' });
  await settle();
  await new Promise<void>((resolve) => {
    broker.close(() => resolve());
  });
  await hung;
  assert.deepEqual([connects, losses], [1, 1]);
  broker = await listen(socket);
  peer = await serve(socket);
  await eventually('the reconnection', 5_000, () => connects === 2);
  assert.deepEqual(await bus.call(echo('Echo', [5n], 't'), never), [5n]);
  peer.sendSignal('/org/example', service, 'Happened', 's', ['again']);
  await eventually('the signal', 5_000, () => seen.includes('again'));
});

test('a bus tells whether the daemon took a subscription, again after each reconnection', async (context) => {
  const socket = scratch(context);
  let broker = await listen(socket);
  context.after(() => broker.close());
  const bus = busAt(context, socket);
  const told: string[] = [];
  const subscribe = (member: string) =>
    bus.subscribe(
      { sender: service, interface: service, member },
      () => {},
      (isTaken) => {
        told.push(`${member}: ${isTaken}`);
      },
    );
  subscribe('Happened');
  const cancel = subscribe("Refused'"); // a quote that ends nowhere is no rule
  await bus.call(listNames, never);
  await settle();
  assert.deepEqual(told, ['Happened: true', "Refused': false"]);
  cancel();
  await bus.call(listNames, never);
  await new Promise<void>((resolve) => {
    broker.close(() => resolve());
  });
  broker = await listen(socket);
  await eventually('the reconnection', 5_000, () => told.length > 2);
  assert.deepEqual(told.slice(2), ['Happened: true']);
});

test('a closed bus takes no more calls and does not come back', async (context) => {
  const socket = scratch(context);
  const broker = await listen(socket);
  context.after(() => broker.close());
  const bus = busAt(context, socket);
  await bus.call(listNames, never);
  bus.close();
  await assert.rejects(bus.call(listNames, never), { code: 'UNAVAILABLE', message: /it was closed/ });
  await eventually('no client', 5_000, () => broker.names().every((name) => name === 'org.freedesktop.DBus'));
});

test('a bus that ends each connection at once is not dialled at full speed, whoever asks', async (context) => {
  const socket = scratch(context);
  let dials = 0;
  const server = createServer((peer) => {
    dials += 1;
    peer.on('error', () => {});
    // As a daemon that has no room: it says hello, and hangs up.
    peer.once('data', () => peer.write('OK 1234deadbeef\r\n'));
    peer.on('data', (data) => {
      if (data.includes('BEGIN')) peer.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  context.after(() => server.close());
  const bus = openBus({ address: `unix:path=${socket}` }, systemClock, silentLog);
  context.after(() => bus.close());
  bus.subscribe({ sender: service, path: '/org/example', interface: service, member: 'Ticked' }, () => {});
  const untilMs = performance.now() + 700;
  let calls = 0;
  await eventually('some time over', 5_000, async () => {
    calls += 1;
    await bus.call(listNames, never).catch(() => undefined);
    return performance.now() > untilMs && calls > 10;
  });
  assert.ok(dials < 12, `${dials} dials for ${calls} calls`);
});
