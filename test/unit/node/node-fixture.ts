import { afterEach } from 'node:test';
import { assignmentCodec, specCodec, statusCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { type InstanceKey, parseClusterId, parseNodeId, splitInstanceKey } from '../../../src/domain/ids.ts';
import type { Assignment } from '../../../src/domain/spec.ts';
import type { HostIdentity } from '../../../src/host/port.ts';
import type { Log } from '../../../src/loop/log.ts';
import { defaultRestartPolicy } from '../../../src/node/instance-memory.ts';
import { Node } from '../../../src/node/node.ts';
import type { Runtime } from '../../../src/runtime/port.ts';
import { makeContainerSpec } from '../../support/container-spec.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type FakeBehaviour, FakeMachine } from '../../support/fake-machine.ts';
import { openFakeRuntime } from '../../support/fake-runtime.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';
import { FakeSwitch } from '../../support/fake-switch.ts';
import { MemoryStore } from '../../support/memory-store.ts';

export const clusterId = parseClusterId('demo');
export const layout = makeLayout('/muster', clusterId);
export const node = parseNodeId('a'.repeat(32));
export const keyOf = (workload: string, slot = 0) => `${workload}/${slot}` as InstanceKey;
export const web = keyOf('web');

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function makeLog(note: (level: string, fields: unknown, message: string) => void): Log {
  const method = (level: string) => (fields: unknown, message?: string) =>
    note(level, fields, message ?? String(fields));
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

/** A store, a machine and a clock, without a node. */
export function makeWorld() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const behaviours = new Map<string, FakeBehaviour>();
  const machine = new FakeMachine({
    clock,
    startMs: 20,
    stopMs: 20,
    behave: (order) => behaviours.get(splitInstanceKey(order.key).workload) ?? {},
  });
  const put = (key: string, value: string) => store.commit({ compares: [], writes: [{ put: key, value }] }).revision;
  const presenceRevision = put(layout.presence(node), 'ours');
  const assign = (key: InstanceKey, over: Partial<Assignment> = {}, number = 1) => {
    const { workload } = splitInstanceKey(key);
    const spec = { number, hash: `hash-${number}`, run: makeContainerSpec(`image:${number}`) };
    put(layout.spec(workload, number), specCodec.encode(spec));
    const order: Assignment = { order: 'run', spec: number, disconnect: 'keep', reason: 'placed', at: '', ...over };
    return put(layout.assignment(node, key), assignmentCodec.encode(order));
  };
  const unassign = (key: InstanceKey) =>
    store.commit({
      compares: [],
      writes: [{ delete: layout.assignment(node, key) }, { delete: layout.status(node, key) }],
    });
  const statusOf = (key: InstanceKey) => {
    const found = store.get(layout.status(node, key));
    return found && statusCodec.decode(found.value, found.key);
  };
  const stateFiles = new FakeStateFiles();
  const identity = { machineId: 'b'.repeat(32), bootId: 'boot', hostname: 'host', nodeId: node };
  const host = { stateFiles, deadMansSwitch: new FakeSwitch(), identity: async (): Promise<HostIdentity> => identity };
  const logged: { readonly level: string; readonly message: string; readonly fields: unknown }[] = [];
  const log = makeLog((level, fields, message) => logged.push({ level, message, fields }));
  return {
    clock,
    store,
    machine,
    host,
    log,
    logged,
    stateFiles,
    identity,
    behaviours,
    put,
    presenceRevision,
    assign,
    unassign,
    statusOf,
  };
}

export type World = ReturnType<typeof makeWorld>;

/** Starts a node over them, and registers it. */
export async function startNode(
  world: World,
  parallelism = 4,
  runtime = openFakeRuntime(world.machine, clusterId),
  more: readonly Runtime[] = [],
) {
  const { agent, kv, rights, stop, end } = openNode(world, parallelism, [runtime, ...more]);
  const registering = agent.registered(stop.signal);
  await world.clock.advance(1);
  await registering;
  return { agent, kv, rights, end };
}

/** Starts a node that can't reach the store and has not been decided upon; `join` brings both. */
export async function startCutOffNode(world: World) {
  const { agent, kv, rights, stop, end } = openNode(world, 4, [openFakeRuntime(world.machine, clusterId)]);
  kv.cutOff();
  rights.isDecided = false;
  rights.canRun = false;
  rights.epoch = 0;
  await world.clock.advance(1);
  const join = async () => {
    kv.reconnect();
    Object.assign(rights, { isDecided: true, canRun: true, epoch: 1 });
    void agent.registered(stop.signal);
    agent.nudge();
    await world.clock.advance(10_000);
  };
  return { agent, kv, rights, end, join };
}

function openNode(world: World, parallelism: number, runtimes: readonly Runtime[]) {
  const { clock, store, host, log, presenceRevision } = world;
  const kv = store.client();
  const rights = {
    isDecided: true,
    canRun: true,
    fenced: false,
    guard: () => (rights.isDecided ? { key: layout.presence(node), modRevision: presenceRevision } : undefined),
    maySafelyRun: () => rights.canRun,
    isFenced: () => rights.fenced,
    killAtMs: Number.POSITIVE_INFINITY,
    epoch: 1,
    isStoreTrusted: true,
  };
  const agent = new Node({
    ...{ kv, layout, clusterId, node, runtimes, rights, host, clock, log, parallelism },
    random: () => 0,
    restartPolicy: defaultRestartPolicy,
    offlineStartAfterMs: 30_000,
  });
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  const end = async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  };
  open.push(end);
  return { agent, kv, rights, stop, end };
}

export const phaseIs = (world: World, key: InstanceKey, phase: string) => () => world.statusOf(key)?.phase === phase;

/** The machine goes down; whether the agent has left by now. */
export function beginLeave(agent: Node, limitMs = 30_000): { readonly isOver: boolean } {
  const leave = { isOver: false };
  void agent.leave(limitMs, new AbortController().signal).then(() => {
    leave.isOver = true;
  });
  return leave;
}
