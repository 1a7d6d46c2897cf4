import assert from 'node:assert/strict';
import type { InstanceRow } from '../../src/wire/answers.ts';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { askSocket, FleetClient } from './scenario/fleet-client.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const unit = (...lines: readonly string[]): string => sleeper([], ['[X-Fleet]', ...lines]);

/** Sets labels as fleet's API does. */
async function label(
  on: LabNode,
  labels: readonly (readonly [node: LabNode, key: string, value: string | undefined])[],
) {
  const body = labels.map(([node, key, value]) => ({
    op: value === undefined ? 'remove' : 'add',
    path: `/${node.machineId}/metadata/${key}`,
    ...(value === undefined ? {} : { value: { value } }),
  }));
  const request = new Request('http://socket/fleet/v1/machines', { method: 'PATCH', body: JSON.stringify(body) });
  assert.equal((await askSocket(on, request)).status, 204);
}

/** Where each unit runs, by its name; several nodes in order. */
async function places(cluster: Cluster): Promise<Record<string, string>> {
  const running = (await cluster.rows()).filter(({ phase, role }) => phase === 'running' && role === 'current');
  const byName = Map.groupBy(running, ({ workload }: InstanceRow) => workload as string);
  const entries = [...byName].map(([name, rows]) => [
    name,
    rows
      .map(({ node }) => node?.hostname ?? '')
      .sort()
      .join(' '),
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}

async function awaitPlaces(
  cluster: Cluster,
  what: string,
  check: (at: Record<string, string>) => boolean,
): Promise<Record<string, string>> {
  return eventually(what, 20_000, async () => {
    const now = await places(cluster);
    if (check(now)) return now;
    throw new Error(JSON.stringify(now));
  });
}

scenarios("fleet's units are scheduled as by fleet", (scenario) => {
  scenario('by metadata, with others, apart from others, in place of others, and everywhere', async (cluster) => {
    const [one, two, three] = cluster.nodes;
    if (one === undefined || two === undefined || three === undefined) throw new RangeError('three nodes');
    const client = new FleetClient(one);
    const names = cluster.nodes.map(({ name }) => name);
    await label(one, [
      [one, 'pin', 'a'],
      [two, 'pin', 'b'],
      [three, 'pin', 'c'],
      [one, 'slot', 'x'],
    ]);
    const files: Readonly<Record<string, string>> = {
      // with others: three pairs, one of which is bound to a label
      'ping.0.service': unit('Conflicts=ping.*.service', 'MachineMetadata=slot=x'),
      'ping.1.service': unit('Conflicts=ping.*.service'),
      'ping.2.service': unit('Conflicts=ping.*.service'),
      ...Object.fromEntries([0, 1, 2].map((at) => [`pong.${at}.service`, unit(`MachineOf=ping.${at}.service`)])),
      // apart: five on three nodes
      ...Object.fromEntries([0, 1, 2, 3, 4].map((at) => [`apart.${at}.service`, unit('Conflicts=apart.*.service')])),
      // one that says so, and one that doesn't, both on one node
      'calm.service': unit('MachineMetadata=pin=a'),
      'touchy.service': unit('MachineMetadata=pin=a', 'Conflicts=nothing* calm.*'),
      // by machine: the whole ID, and its first digits
      'whole.service': unit(`MachineID=${two.machineId}`),
      'short.service': unit(`MachineID=${three.machineId.slice(0, 8)}`),
      // by metadata: one of several values of each key
      'choosy.service': unit('MachineMetadata="pin=b" "pin=z"', 'MachineMetadata=pin=y'),
      'nowhere.service': unit('MachineMetadata=pin=a', 'MachineMetadata=slot=y'),
      'meta@.service': unit('MachineMetadata=pin=%i'),
      // everywhere, and what may not be with it
      'all.service': unit('Global=true'),
      'none.service': unit('Global=true', 'Conflicts=all.service'),
      'some.service': unit('Global=yes', 'MachineMetadata="pin=a" "pin=c"'),
      // in place of others
      'old.service': unit(),
      'ring.0.service': unit('Replaces=ring.1.service'),
      'ring.1.service': unit('Replaces=ring.0.service'),
    };
    for (const [name, text] of Object.entries(files)) client.files.set(name, text);
    await client.run('start all');
    await client.run('start calm');
    const rest = Object.keys(files).filter((name) => !/@|^(all|calm)\./.test(name));
    await client.run(`start --no-block ${rest.join(' ')} meta@a meta@c`);
    await client.run('start --block-attempts=1 meta@nowhere', 1);

    const at = await awaitPlaces(cluster, 'all placed', (now) => {
      const apart = Object.keys(now).filter((name) => name.startsWith('apart.')).length;
      return (
        apart === 3 &&
        [
          'old.service',
          'ring.0.service',
          'ring.1.service',
          'ping.0.service',
          'ping.1.service',
          'ping.2.service',
          'pong.0.service',
          'pong.1.service',
          'pong.2.service',
          'meta@c.service',
          'choosy.service',
          'whole.service',
          'short.service',
          'meta@a.service',
        ].every((name) => name in now) &&
        now['all.service'] === names.join(' ') &&
        now['some.service'] === `${names[0]} ${names[2]}`
      );
    });
    const of = (stem: string) => Object.entries(at).flatMap(([name, where]) => (name.startsWith(stem) ? [where] : []));
    assert.deepEqual(of('apart.').sort(), names, 'on distinct nodes');
    assert.deepEqual(of('ping.').sort(), names);
    for (const pair of [0, 1, 2]) assert.equal(at[`pong.${pair}.service`], at[`ping.${pair}.service`]);
    assert.equal(at['ping.0.service'], one.name);
    assert.deepEqual(
      [at['whole.service'], at['short.service'], at['choosy.service']],
      [two.name, three.name, two.name],
    );
    assert.deepEqual(
      [at['meta@a.service'], at['meta@c.service'], at['meta@nowhere.service']],
      [one.name, three.name, undefined],
    );
    assert.deepEqual([at['calm.service'], at['touchy.service']], [one.name, undefined]);
    assert.deepEqual([at['nowhere.service'], at['none.service']], [undefined, undefined]);
    assert.notEqual(at['ring.0.service'], at['ring.1.service'], 'two that would replace each other keep apart');

    // What was in the way goes, and the label moves with all that is bound to it.
    const before = await cluster.identities();
    await client.run('destroy calm');
    client.files.set(
      'new.service',
      unit('Replaces=old.service', `MachineMetadata=pin=${['a', 'b', 'c'][names.indexOf(at['old.service'] ?? '')]}`),
    );
    await client.run('start new');
    const free = Object.entries(at).find(([name, where]) => name.startsWith('ping.') && where === two.name)?.[0] ?? '';
    await client.run(`stop ${free}`);
    await client.run(`unload ${free}`);
    await label(one, [
      [one, 'slot', undefined],
      [two, 'slot', 'x'],
    ]);
    await awaitPlaces(cluster, 'what was in the way is gone', (now) => {
      return (
        now['touchy.service'] === one.name &&
        now['new.service'] === at['old.service'] &&
        ![undefined, at['old.service']].includes(now['old.service']) &&
        now['ping.0.service'] === two.name &&
        now['pong.0.service'] === two.name
      );
    });
    const touched = ['calm', 'touchy', 'new', 'old', 'ping', 'pong'];
    const kept = (lines: readonly string[]) => lines.filter((line) => !touched.some((stem) => line.startsWith(stem)));
    assert.deepEqual(kept(await cluster.identities()), kept(before), 'nothing else has moved');
    await label(one, [
      [one, 'pin', undefined],
      [two, 'pin', undefined],
      [three, 'pin', undefined],
      [two, 'slot', undefined],
    ]);
  });
});
