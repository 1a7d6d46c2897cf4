import { nodeSettingsCodec } from '../../src/cluster/codecs.ts';
import type { Fault } from '../lab/checker/judge.ts';
import { lastBeatMs, nowMs } from '../lab/checker/run-log.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { stepClock } from './agent-clock.ts';
import type { FaultKind, PlannedFault } from './fault-plan.ts';
import type { Field } from './field.ts';
import type { MixedWorkload } from './mixed-work.ts';

/** What faults are done to. */
export interface FaultContext {
  readonly field: Field;
  readonly work: readonly MixedWorkload[];
  /** Each workload's present edition; grows with each change. */
  readonly editions: Map<string, number>;
  /** Resolves after so long, or as soon as the storm ends. */
  readonly wait: (ms: number) => Promise<void>;
  /** Notes that a promise was broken. */
  readonly broken: (what: string) => Promise<void>;
}

type Do = (context: FaultContext, fault: PlannedFault, node: LabNode) => Promise<void>;

const commandLimitMs = 15_000;
const hourSeconds = 3_600;

/** Does one fault and undoes it when its time is over. Throws where it can't be done now: the machine is off, say. */
export async function doFault(context: FaultContext, fault: PlannedFault): Promise<void> {
  const node = context.field.nodes[fault.node];
  if (node === undefined) throw new Error(`Cannot find node ${fault.node}`);
  await doers[fault.kind](context, fault, node);
}

const doers: Readonly<Record<FaultKind, Do>> = {
  'power-off': async (context, fault, node) => {
    await during(context, fault, node, { endsRuns: 'all' }, async () => {
      await node.powerOff();
      await context.wait(fault.forMs);
      await node.boot();
    });
  },
  freeze: async (context, fault, node) => {
    await during(context, fault, node, { freezesMachine: true }, async () => {
      await node.freeze();
      await context.wait(fault.forMs);
      await node.thaw();
    });
  },
  reboot: async (context, fault, node) => {
    await during(context, fault, node, { endsRuns: 'all' }, async () => {
      await node.reboot().catch(async () => {
        // It may wait for an agent or a member that is held up itself; then somebody presses the button.
        await node.powerOff();
        await node.boot();
      });
    });
  },
  'cut-off': async (context, fault, node) => cut(context, fault, node, 'both'),
  'cut-from-node': async (context, fault, node) => cut(context, fault, node, 'from-node'),
  'cut-to-node': async (context, fault, node) => cut(context, fault, node, 'to-node'),
  'agent-kill': async (context, fault, node) => kill(context, fault, node, 'muster'),
  'agent-freeze': async (context, fault, node) => freezeProcess(context, fault, node, 'muster'),
  'agent-restart': async (context, fault, node) => restart(context, fault, node, 'muster'),
  'docker-kill': async (context, fault, node) => kill(context, fault, node, 'docker', { endsRuns: 'containers' }),
  'docker-freeze': async (context, fault, node) => freezeProcess(context, fault, node, 'docker'),
  'docker-restart': async (context, fault, node) => restart(context, fault, node, 'docker', { endsRuns: 'containers' }),
  'etcd-kill': async (context, fault, node) => kill(context, fault, etcdNode(context, node), 'etcd'),
  'etcd-freeze': async (context, fault, node) => freezeProcess(context, fault, etcdNode(context, node), 'etcd'),
  'etcd-restart': async (context, fault, node) => restart(context, fault, etcdNode(context, node), 'etcd'),
  'clock-step': async (context, fault, node) => {
    const { lab } = context.field;
    await during(context, fault, node, {}, async () => {
      await stepClock(lab, node, fault.pick % 2 === 0 ? hourSeconds : -hourSeconds);
      await context.wait(fault.forMs);
      await stepClock(lab, node, 0);
    });
  },
  depose: async (context, fault, node) => {
    await during(context, fault, node, {}, async () => context.field.cluster.depose());
  },
  'leader-freeze': async (context, fault) => {
    const leader = await context.field.cluster.leader(3_000);
    await freezeProcess(context, fault, leader, 'muster');
  },
  'disk-full': async (context, fault, node) => {
    await during(context, fault, node, {}, async () => {
      const fill = 'mount -o remount,size=$(($(df -k --output=used /run | tail -n 1) + 4))k /run';
      await run(node, ['sh', '-c', fill]);
      await context.wait(fault.forMs);
      await emptyDisk(node);
    });
  },
  'spec-change': async (context, fault, node) => {
    const { work, editions } = context;
    const workload = work[fault.pick % work.length];
    if (workload === undefined) return;
    const edition = (editions.get(workload.name) ?? 0) + 1;
    editions.set(workload.name, edition);
    const named = workload.name.includes('.') ? ['--name', workload.name] : [];
    await during(context, fault, node, {}, async () => {
      const input = workload.text(edition);
      await node.run(['muster', 'apply', ...named, '--no-wait', '-'], { input, timeoutMs: commandLimitMs });
    });
  },
  drain: async (context, fault, node) => {
    await during(context, fault, node, {}, async () => {
      try {
        await drain(context, fault, node);
      } finally {
        await setDraining(context.field, node, false);
      }
    });
  },
};

/** What a drain may be told late, and a beat noted. */
const drainSlackMs = 500;

/**
 * As an operator drains a node, by its own agent, in whatever else happens to it: one that is said to be done is done, nothing
 * beats there any more, as long as the drain lasts.
 */
async function drain({ field, wait, broken }: FaultContext, fault: PlannedFault, node: LabNode): Promise<void> {
  const beganMs = nowMs();
  const deadline = `${Math.max(1, Math.round(fault.forMs / 1000))}s`;
  const argv = ['muster', 'node', 'drain', node.name, '--deadline', deadline];
  const { exitCode } = await node.run(argv, { timeoutMs: fault.forMs + commandLimitMs, reject: false });
  const doneMs = nowMs();
  const since = await drainedSince(field, node);
  await wait(Math.max(2 * drainSlackMs, fault.forMs - (doneMs - beganMs)));
  // Another drain of the same node that ends meanwhile ends this one too.
  if (exitCode !== 0 || since === undefined || since !== (await drainedSince(field, node))) return;
  const id = field.idOf(node);
  const late = (await field.runs()).filter((run) => run.node === id && lastBeatMs(run) > doneMs + drainSlackMs);
  for (const { id: run } of late) await broken(`${run} ran on ${node.name} after its drain was done`);
}

async function drainedSince(field: Field, node: LabNode): Promise<string | undefined> {
  const { store, root } = field.cluster;
  const stored = await store.get(`${root}nodes/${field.idOf(node)}/settings`);
  if (stored === undefined) return undefined;
  const { draining, drain: how } = nodeSettingsCodec.decode(stored.value, 'settings');
  return draining ? how?.since : undefined;
}

/** Gives /run back the room that `disk-full` took. */
export async function emptyDisk(node: LabNode): Promise<void> {
  await run(node, ['mount', '-o', 'remount,size=1g', '/run']);
}

/** As an operator does before maintenance: what runs there moves away in order. */
export async function setDraining(field: Field, node: LabNode, draining: boolean): Promise<void> {
  const settings = nodeSettingsCodec.encode({ cordoned: draining, draining, labels: {} });
  const { store, root } = field.cluster;
  await store.put(`${root}nodes/${field.idOf(node)}/settings`, settings);
}

async function during(
  { field }: FaultContext,
  fault: PlannedFault,
  node: LabNode,
  more: Partial<Fault>,
  action: () => Promise<void>,
): Promise<void> {
  if (!node.isOn || node.isFrozen) throw new Error(`${node.name} is ${node.isOn ? 'frozen' : 'off'}`);
  const isOver = field.faults.begin(fault.kind, { node: field.idOf(node), ...more });
  try {
    await action();
  } finally {
    isOver();
  }
}

async function cut(
  context: FaultContext,
  fault: PlannedFault,
  node: LabNode,
  direction: 'both' | 'from-node' | 'to-node',
): Promise<void> {
  await during(context, fault, node, {}, async () => {
    await node.cutOff(direction);
    await context.wait(fault.forMs);
    await node.reconnect();
  });
}

async function kill(
  context: FaultContext,
  fault: PlannedFault,
  node: LabNode,
  unit: string,
  more: Partial<Fault> = {},
): Promise<void> {
  await during(context, fault, node, more, async () => {
    await run(node, ['systemctl', 'kill', '--kill-who=main', '--signal=KILL', unit]);
  });
}

async function restart(
  context: FaultContext,
  fault: PlannedFault,
  node: LabNode,
  unit: string,
  more: Partial<Fault> = {},
): Promise<void> {
  await during(context, fault, node, more, async () => {
    await run(node, ['systemctl', 'restart', unit], 60_000);
  });
}

async function freezeProcess(context: FaultContext, fault: PlannedFault, node: LabNode, unit: string): Promise<void> {
  await during(context, fault, node, {}, async () => {
    await run(node, ['systemctl', 'kill', '--kill-who=main', '--signal=STOP', unit]);
    await context.wait(fault.forMs);
    // Gone with its machine, perhaps.
    await run(node, ['systemctl', 'kill', '--kill-who=main', '--signal=CONT', unit]).catch(() => undefined);
  });
}

/** The node itself if it has a member of etcd, else the one in its place. */
function etcdNode({ field }: FaultContext, node: LabNode): LabNode {
  const members = field.nodes.filter(({ metadata }) => metadata.etcdInitialCluster !== undefined);
  return members.includes(node) ? node : (members[field.nodes.indexOf(node) % members.length] ?? node);
}

async function run(node: LabNode, argv: readonly string[], timeoutMs = commandLimitMs): Promise<void> {
  await node.run(argv, { timeoutMs });
}
