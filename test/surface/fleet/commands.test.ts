import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FleetWorld } from '../../unit/fleet/fleet-world.ts';
import { commonFiles, recordedCommands } from '../../unit/fleet/fleetctl-calls.ts';

async function openWorld(): Promise<FleetWorld> {
  const world = await FleetWorld.open();
  for (const [name, text] of Object.entries(commonFiles)) world.files.set(name, text);
  return world;
}

for (const { line, after = [], files = {}, calls, exit = 0, says } of recordedCommands) {
  const before = [...after, ...Object.keys(files).map((name) => `another ${name}`)].join(', ');
  test(`fleetctl ${line}${before === '' ? '' : ` (after ${before})`} asks and is answered as by fleet`, async () => {
    const world = await openWorld();
    for (const each of after) assert.equal((await world.fleetctl(each)).exit, 0, each);
    for (const [name, text] of Object.entries(files)) {
      if (text === '') world.files.delete(name);
      else world.files.set(name, text);
    }
    const ran = await world.fleetctl(line);
    assert.deepEqual([ran.calls, ran.exit], [calls, exit], ran.out.join('\n'));
    if (says !== undefined) assert.match(ran.out.join('\n'), says);
  });
}

test('a unit that fleetctl starts runs, is only installed once it is stopped, and is gone once it is unloaded', async () => {
  const world = await openWorld();
  const { cluster } = world;
  const items = () => cluster.machines.flatMap((machine) => machine.items.map((item) => item.phase));
  await world.fleetctl('submit hello');
  assert.deepEqual(items(), []);
  await world.fleetctl('load hello');
  assert.deepEqual(items(), ['stopped']);
  await world.fleetctl('start hello');
  assert.deepEqual(items(), ['running']);
  await world.fleetctl('stop hello');
  assert.deepEqual(items(), ['stopped']);
  await world.fleetctl('start hello');
  assert.deepEqual(items(), ['running']);
  await world.fleetctl('unload hello');
  await world.world.advance(1_000);
  assert.deepEqual(items(), []);
  await world.fleetctl('destroy hello');
  await cluster.converge();
  assert.deepEqual(
    Object.keys(world.world.store.dump()).filter((key) => key.includes('hello')),
    [],
  );
});

test('a loaded unit stays loaded and idle, and a restart of its agent changes nothing about it', async () => {
  const world = await openWorld();
  await world.fleetctl('load hello');
  const [at] = world.cluster.machines.filter((machine) => machine.items.length > 0);
  at?.killAgent();
  await world.world.advance(30_000);
  assert.deepEqual(
    at?.items.map(({ phase }) => phase),
    ['stopped'],
  );
  assert.equal((await world.fleetctl('list-unit-files')).out[0]?.split(' ').slice(2, 4).join(), 'loaded,loaded');
});

test('fleetctl cat prints the file byte for byte', async () => {
  const world = await openWorld();
  const text =
    '[Unit]\nDescription=A "quoted" %n \\x2d\nAfter=a.service\nAfter=b.service\n\n[Service]\nExecStart=/bin/sh -c \'a; \\\n  b\'\nEnvironment=\nEnvironment="A=b c"\n\n[X-Fleet]\nMachineMetadata="zone=a" "zone=b"\n';
  world.files.set('odd.service', text);
  await world.fleetctl('submit odd');
  assert.equal((await world.fleetctl('cat odd')).out.join(''), text);
});

const restarts: readonly (readonly [what: string, stopMs: number, lateMs: number])[] = [
  ['a unit that stops at once', 0, 0],
  ['a unit that stops at once, on a client that is slow', 0, 4_000],
  ['a unit that takes 5 s to stop', 5_000, 0],
];
for (const [what, stopMs, lateMs] of restarts) {
  test(`fleetctl restart neither hangs nor leaves the old run: ${what}`, async () => {
    const world = await openWorld();
    for (const machine of world.cluster.machines) machine.systemd.stopMs = stopMs;
    await world.fleetctl('start hello');
    await world.world.advance(5_000);
    const before = world.cluster.runs;
    const ran = await world.fleetctl('restart hello', { lateMs });
    assert.equal(ran.exit, 0, ran.out.join('\n'));
    await world.cluster.converge();
    assert.deepEqual(Object.keys(world.cluster.runs), Object.keys(before), 'it stays where it was');
    assert.notDeepEqual(world.cluster.runs, before);
  });
}

test('fleetctl start waits for a unit that takes 20 s to come up, and says that it is up', async () => {
  const world = await openWorld();
  for (const machine of world.cluster.machines) machine.systemd.startMs = 20_000;
  const ran = await world.fleetctl('start hello');
  assert.equal(ran.exit, 0, ran.out.join('\n'));
});

test('fleetctl start ends with an error for a unit that cannot be started, or takes for ever', async () => {
  const world = await openWorld();
  world.world.behaviour = () => ({ refusal: 'no such file' });
  assert.equal((await world.fleetctl('start hello')).exit, 1);
  const slow = await openWorld();
  for (const machine of slow.cluster.machines) machine.systemd.startMs = 3_600_000;
  assert.equal((await slow.fleetctl('start hello')).exit, 1);
});

test('fleetctl stop stops a unit that is still starting', async () => {
  const world = await openWorld();
  for (const machine of world.cluster.machines) machine.systemd.startMs = 3_600_000;
  await world.fleetctl('start --no-block hello');
  await world.world.advance(2_000);
  assert.equal((await world.fleetctl('stop hello')).exit, 0);
});

test('a unit that is destroyed and started again at once is a new run of it', async () => {
  const world = await openWorld();
  for (const machine of world.cluster.machines) machine.systemd.stopMs = 3_000;
  await world.fleetctl('start hello');
  const before = world.cluster.runs;
  await world.fleetctl('destroy hello');
  assert.equal((await world.fleetctl('start hello')).exit, 0);
  await world.cluster.converge();
  assert.equal(Object.keys(world.cluster.runs).length, 1);
  assert.notDeepEqual(world.cluster.runs, before);
});

test('a unit of a machine that dies is launched elsewhere, and no command waits for the dead', async () => {
  const world = await openWorld();
  await world.fleetctl('start hello');
  const [at] = world.cluster.whereIs('hello.service/0');
  at?.powerOff();
  await world.world.advance(30_000);
  const [row = ''] = (await world.fleetctl('list-unit-files')).out;
  assert.match(row, / launched launched /);
  assert.ok(
    !row.endsWith((await world.fleetctl('list-machines')).out.length === 2 ? String(at?.node.slice(0, 8)) : row),
  );
  assert.equal((await world.fleetctl('unload hello')).exit, 0);
});

test('a global unit runs on each node, and is only installed there once it is stopped', async () => {
  const world = await openWorld();
  const running = () => world.cluster.machines.map((machine) => machine.items.map(({ phase }) => phase).join());
  await world.fleetctl('start everywhere');
  await world.world.advance(5_000);
  assert.deepEqual(running(), ['running', 'running', 'running']);
  await world.fleetctl('stop everywhere');
  await world.world.advance(5_000);
  assert.deepEqual(running(), ['stopped', 'stopped', 'stopped']);
});

test('instances of a template are units of their own, and the template runs nothing', async () => {
  const world = await openWorld();
  await world.fleetctl('start worker@1 worker@2 worker@3');
  assert.equal((await world.fleetctl('start worker@x --block-attempts=1')).exit, 1, 'it conflicts on each node');
  await world.fleetctl('submit worker@');
  const files = (await world.fleetctl('list-unit-files')).out.map((row) => row.split(' ').slice(0, 1).join());
  assert.deepEqual(files, ['worker@.service', ...['1', '2', '3', 'x'].map((at) => `worker@${at}.service`)]);
  const places = world.cluster.machines.map((machine) => machine.running.length);
  assert.deepEqual(places, [1, 1, 1]);
});
