import { nodeSettingsCodec } from '../../src/cluster/codecs.ts';
import type { WorkloadName } from '../../src/domain/ids.ts';
import type { Drain } from '../../src/domain/node.ts';
import type { RuntimeKind } from '../../src/domain/spec.ts';
import { type Fault, pickOn, pickSome, pickWithAgent, seconds, type WeightedFault } from './fault.ts';
import { storeFaults } from './store-faults.ts';

const killAgent: Fault = (storm) => {
  const machine = pickWithAgent(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.chance(0.7) ? 1_000 : storm.random.int(1_000, 45_000);
  machine.killAgent();
  storm.healIn(ms, `${machine.name}: agent starts`, () => machine.startAgent());
  return `${machine.name}: agent is killed for ${seconds(ms)}`;
};

const stopAgent: Fault = (storm) => {
  const machine = pickWithAgent(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(0, 50_000);
  machine.stopAgent().then(
    () => storm.healIn(ms, `${machine.name}: agent starts`, () => machine.startAgent()),
    () => {},
  );
  return `${machine.name}: agent is stopped for ${seconds(ms)}`;
};

const freezeAgent: Fault = (storm) => {
  const machine = pickWithAgent(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(500, 40_000);
  machine.freezeAgent();
  storm.healIn(ms, `${machine.name}: agent thaws`, () => machine.thawAgent());
  return `${machine.name}: agent is frozen for ${seconds(ms)}`;
};

const powerOff: Fault = (storm) => {
  const machine = pickOn(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(500, 40_000);
  machine.powerOff();
  storm.healIn(ms, `${machine.name}: boots`, () => machine.boot());
  return `${machine.name}: loses its power for ${seconds(ms)}`;
};

const powerOffSeveral: Fault = (storm) => {
  const machines = pickSome(storm);
  const ms = storm.random.int(500, 40_000);
  for (const machine of machines) {
    machine.powerOff();
    storm.healIn(ms + storm.random.int(0, 8_000), `${machine.name}: boots`, () => machine.boot());
  }
  return machines.length > 0
    ? `${machines.map(({ name }) => name).join(', ')}: lose their power for ${seconds(ms)}`
    : undefined;
};

const freezeMachine: Fault = (storm) => {
  const machine = pickOn(storm);
  if (machine?.isMoving !== true) return undefined;
  const ms = storm.random.int(1_000, 60_000);
  machine.freeze();
  storm.healIn(ms, `${machine.name}: goes on`, () => machine.thaw());
  return `${machine.name}: stands still for ${seconds(ms)}`;
};

const reboot: Fault = (storm) => {
  const machine = pickWithAgent(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(1_000, 5_000);
  if (storm.random.chance(0.5)) machine.powerOff();
  else machine.shutDown().catch(() => {});
  const boot = () => {
    if (machine.isOn) storm.healIn(1_000, `${machine.name}: boots again`, boot);
    else machine.boot();
  };
  storm.healIn(ms, `${machine.name}: boots again`, boot);
  return `${machine.name}: reboots within ${seconds(ms)}`;
};

const shutDown: Fault = (storm) => {
  const machine = pickWithAgent(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(500, 20_000);
  machine.shutDown().then(
    () => storm.healIn(ms, `${machine.name}: boots`, () => machine.boot()),
    () => {},
  );
  return `${machine.name}: shuts down, and stays off for ${seconds(ms)}`;
};

const cutOff: Fault = (storm) => {
  const machine = pickOn(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(100, 45_000);
  const unreachable = storm.random.chance(0.5) ? 'hang' : 'refuse';
  machine.setNetwork({ unreachable });
  storm.healIn(ms, `${machine.name}: reaches the store again`, () => machine.setNetwork({ unreachable: 'no' }));
  return `${machine.name}: the store can't be reached (${unreachable}) for ${seconds(ms)}`;
};

const cutOffSeveral: Fault = (storm) => {
  const machines = pickSome(storm);
  const ms = storm.random.int(1_000, 40_000);
  for (const machine of machines) {
    machine.setNetwork({ unreachable: 'hang' });
    storm.healIn(ms, `${machine.name}: reaches the store again`, () => machine.setNetwork({ unreachable: 'no' }));
  }
  return machines.length > 0 ? `${machines.map(({ name }) => name).join(', ')}: cut off for ${seconds(ms)}` : undefined;
};

const oneWayCut: Fault = (storm) => {
  const machine = pickOn(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(1_000, 45_000);
  const unreachable = storm.random.chance(0.5) ? 'no-answers' : 'no-requests';
  machine.setNetwork({ unreachable });
  storm.healIn(ms, `${machine.name}: reaches the store again`, () => machine.setNetwork({ unreachable: 'no' }));
  return `${machine.name}: ${unreachable} for ${seconds(ms)}`;
};

const slowNetwork: Fault = (storm) => {
  const machine = pickOn(storm);
  if (machine === undefined) return undefined;
  const ms = storm.random.int(1_000, 30_000);
  const delayMs = storm.random.pick([100, 500, 1_500, 2_500]) ?? 100;
  machine.setNetwork({ delayMs });
  storm.healIn(ms, `${machine.name}: fast again`, () => machine.setNetwork({ delayMs: storm.delayMs }));
  return `${machine.name}: ${delayMs} ms to the store and back for ${seconds(ms)}`;
};

const loseReplies: Fault = (storm) => {
  const machine = pickOn(storm);
  const loses = storm.random.int(1, 3);
  const lateByMs = storm.random.chance(0.5) ? storm.random.int(500, 30_000) : 0;
  machine?.setNetwork({ loseReplies: loses, lateByMs });
  const late = lateByMs > 0 ? `, and they are applied ${seconds(lateByMs)} later` : '';
  return machine && `${machine.name}: the answers to its next ${loses} commits are lost${late}`;
};

const runtimeAway: Fault = (storm) => {
  const machine = pickOn(storm);
  const kind = storm.random.pick<RuntimeKind>(['docker', 'systemd']) ?? 'docker';
  const daemon = machine && (kind === 'docker' ? machine.docker : machine.systemd);
  if (machine === undefined || daemon?.isAway !== false) return undefined;
  const ms = storm.random.int(100, 20_000);
  machine.setAway(kind, true);
  storm.healIn(ms, `${machine.name}: ${kind} answers again`, () => machine.setAway(kind, false));
  return `${machine.name}: ${kind} doesn't answer for ${seconds(ms)}`;
};

const killInstance: Fault = (storm) => {
  const machine = pickOn(storm);
  const key = machine && storm.random.pick(machine.running);
  if (machine === undefined || key === undefined || !storm.mayMishap(machine, key)) return undefined;
  for (const daemon of machine.daemons) if (machine.isRunning(key)) daemon.kill(key);
  return `${machine.name}: ${key} is killed by hand`;
};

const removeInstance: Fault = (storm) => {
  const machine = pickOn(storm);
  const items = machine?.items.filter(({ phase }) => phase !== 'running' && phase !== 'stopping') ?? [];
  const key = storm.random.pick(items)?.order.key;
  if (machine === undefined || key === undefined) return undefined;
  for (const daemon of machine.daemons) daemon.items.delete(key);
  for (const daemon of machine.daemons) daemon.tell();
  return `${machine.name}: what is left of ${key} is removed by hand`;
};

const refuseStarts: Fault = (storm) => {
  const machine = pickOn(storm);
  const key = storm.random.pick(storm.cluster.machines.flatMap(({ items }) => items))?.order.key;
  if (machine === undefined || key === undefined || !storm.mayMishap(machine, key)) return undefined;
  const ms = storm.random.int(500, 8_000);
  storm.refusals.set(`${machine.name}/${key}`, storm.world.clock.monotonicMs() + ms);
  return `${machine.name}: refuses to start ${key} for ${seconds(ms)}`;
};

const hangCalls: Fault = (storm) => {
  const machine = pickOn(storm);
  const key = storm.random.pick(storm.cluster.machines.flatMap(({ items }) => items))?.order.key;
  if (machine === undefined || key === undefined) return undefined;
  const ms = storm.random.int(500, 25_000);
  for (const daemon of machine.daemons) daemon.setHung(key, true);
  storm.healIn(ms, `${machine.name}: calls about ${key} come back`, () => {
    for (const daemon of machine.daemons) daemon.setHung(key, false);
  });
  return `${machine.name}: calls about ${key} hang for ${seconds(ms)}`;
};

const drainNode: Fault = (storm) => {
  const machine = storm.random.pick(storm.cluster.machines);
  const { store } = storm.world;
  if (machine === undefined || store.isDown || store.isFull) return undefined;
  const key = storm.cluster.layout.nodeSettings(machine.node);
  const draining = storm.random.chance(0.7);
  const ms = storm.random.int(1_000, 30_000);
  const since = storm.world.clock.wallTime();
  const deadline = new Date(since.getTime() + storm.random.int(0, ms)).toISOString();
  const drain: Drain = {
    since: since.toISOString(),
    ...(storm.random.chance(0.3) ? { force: true, deadline } : {}),
    ...(storm.random.chance(0.3) ? { keepGlobal: true } : {}),
  };
  const value = nodeSettingsCodec.encode({ cordoned: true, draining, labels: {}, ...(draining ? { drain } : {}) });
  store.commit({ compares: [], writes: [{ put: key, value }] });
  storm.healIn(ms, `${machine.name}: takes work again`, () => {
    store.commit({ compares: [], writes: [{ delete: key }] });
  });
  return `${machine.name}: ${draining ? 'drains' : 'is cordoned'} for ${seconds(ms)}`;
};

/** An operator says that a node which is absent is gone for good, though it may come back. */
const removeNode: Fault = (storm) => {
  const { store } = storm.world;
  const { layout, machines } = storm.cluster;
  if (store.isDown || store.isFull) return undefined;
  const absent = machines.filter(({ node }) => {
    const isKnown = store.get(layout.nodeRecord(node)) !== undefined;
    return isKnown && store.get(layout.presence(node)) === undefined;
  });
  const machine = storm.random.pick(absent);
  if (machine === undefined) return undefined;
  const orders = layout.assignmentsOf(machine.node);
  // Should it come back, it knows nothing of what was removed meanwhile.
  for (const { key } of store.list(orders)) storm.cluster.disowned.add(workloadOf(key.slice(orders.length)));
  const removal = { at: storm.world.clock.wallTime().toISOString() };
  const value = nodeSettingsCodec.encode({ cordoned: false, draining: false, labels: {}, removal });
  store.commit({ compares: [], writes: [{ put: layout.nodeSettings(machine.node), value }] });
  return `${machine.name}: is to be forgotten`;
};

function workloadOf(instance: string): WorkloadName {
  return instance.slice(0, instance.indexOf('/')) as WorkloadName;
}

/** Each with its weight. */
export const stormFaults: readonly WeightedFault[] = [
  [10, killAgent],
  [8, stopAgent],
  [5, freezeAgent],
  [10, powerOff],
  [5, shutDown],
  [10, cutOff],
  [4, cutOffSeveral],
  [6, oneWayCut],
  [4, powerOffSeveral],
  [6, freezeMachine],
  [4, reboot],
  [4, slowNetwork],
  [6, loseReplies],
  [6, runtimeAway],
  [8, killInstance],
  [2, removeInstance],
  [6, refuseStarts],
  [5, hangCalls],
  [5, drainNode],
  [3, removeNode],
  ...storeFaults,
];
