import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeSettingsCodec } from '../../../src/cluster/codecs.ts';
import { FleetWorld } from './fleet-world.ts';

interface Machine {
  readonly id: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Operation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: string;
}

async function machinesOf(world: FleetWorld): Promise<readonly Machine[]> {
  const response = await world.ask('GET', '/fleet/v1/machines');
  return ((await response.json()) as { readonly machines: readonly Machine[] }).machines;
}

const countsOf = async (world: FleetWorld) =>
  (await machinesOf(world)).map(({ metadata = {} }) => Object.keys(metadata).length);

/** The status, and fleet's own message where it's refused. */
async function patch(world: FleetWorld, operations: readonly Operation[]): Promise<readonly [number, string]> {
  const response = await world.ask('PATCH', '/fleet/v1/machines', { body: JSON.stringify(operations) });
  const text = await response.text();
  if (text === '') return [response.status, ''];
  const { error } = JSON.parse(text) as { readonly error: { readonly code: number; readonly message: string } };
  assert.equal(error.code, response.status);
  return [response.status, error.message];
}

async function openMachines(): Promise<{
  readonly world: FleetWorld;
  readonly first: string;
  readonly second: string;
}> {
  const world = await FleetWorld.open();
  const [first, second] = await machinesOf(world);
  return { world, first: first?.id ?? '', second: second?.id ?? '' };
}

const add = (machine: string, key: string, value = 'v'): Operation => ({
  op: 'add',
  path: `/${machine}/metadata/${key}`,
  value,
});
const remove = (machine: string, key: string): Operation => ({ op: 'remove', path: `/${machine}/metadata/${key}` });
const addMany = (machine: string, count: number) =>
  Array.from({ length: count }, (_none, at) => add(machine, `k${at}`));

test('a machine gets no more metadata than muster allows labels, and no machine gets any of a request with too many', async () => {
  const { world, first, second } = await openMachines();
  assert.deepEqual(await patch(world, [add(first, 'zone'), ...addMany(second, 101)]), [
    400,
    'too many metadata on a machine: expect at most 100, not 101',
  ]);
  assert.deepEqual(await countsOf(world), [0, 0, 0]);
  assert.deepEqual(await patch(world, addMany(second, 100)), [204, '']);
  assert.equal((await patch(world, [add(second, 'more')]))[0], 400);
  assert.deepEqual(await patch(world, [remove(second, 'k0'), add(second, 'more')]), [204, '']);
  assert.deepEqual(await countsOf(world), [0, 100, 0]);
});

test('keys and values of metadata are held to what muster allows of labels', async () => {
  const { world, first } = await openMachines();
  const path = /^machine metadata path invalid: expect a key of at most 64 characters$/;
  const value = /^invalid value: expect at most 256 characters, none of them a control character$/;
  const bad: readonly (readonly [Operation, RegExp])[] = [
    [add(first, 'x'.repeat(65)), path],
    [{ ...add(first, 'x'.repeat(65)), op: 'replace' }, path],
    [add(first, 'a', 'x'.repeat(257)), value],
    [add(first, 'a', '\u001b[31m'), value],
    [add(first, 'a', 'x\ny'), value],
  ];
  for (const [operation, says] of bad) {
    const [status, message] = await patch(world, [operation]);
    assert.equal(status, 400, JSON.stringify(operation));
    assert.match(message, says);
  }
  assert.deepEqual(await patch(world, [add(first, 'x'.repeat(64), 'x'.repeat(256))]), [204, '']);
  assert.deepEqual(await countsOf(world), [1, 0, 0]);
});

/** Sets labels of the first machine as an earlier version let clients set them. */
async function keepLabels({ world }: FleetWorld, labels: Readonly<Record<string, string>>): Promise<void> {
  const [machine] = world.machines;
  assert.ok(machine?.config !== undefined);
  const { kv, layout } = world.storeView(machine.config);
  const value = nodeSettingsCodec.encode({ cordoned: false, draining: false, labels });
  await kv.commit(
    { compares: [], writes: [{ put: layout.nodeSettings(machine.node), value }] },
    new AbortController().signal,
  );
}

test('metadata that are too many, or that nobody could set any more, are taken away', async () => {
  const { world, first } = await openMachines();
  const long = 'x'.repeat(128);
  const many = Object.fromEntries(Array.from({ length: 102 }, (_none, at) => [`k${at}`, 'v']));
  await keepLabels(world, { ...many, [long]: 'a\nb' });
  assert.deepEqual(await patch(world, [remove(first, long)]), [204, '']);
  assert.deepEqual(await patch(world, [remove(first, 'k0')]), [204, '']);
  assert.deepEqual(await patch(world, [add(first, 'k1', 'other')]), [204, ''], 'as many as before');
  assert.equal((await patch(world, [add(first, 'k0')]))[0], 400);
  assert.deepEqual(await countsOf(world), [101, 0, 0]);
});
