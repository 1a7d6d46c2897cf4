import { beatingContainer, beatingUnit } from '../lab/checker/beating-work.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { awaitConverged, type Expected } from './convergence.ts';
import type { Field } from './field.ts';

/** A workload's name, its text, and how many copies of it there are to be. */
export interface RowWork {
  readonly name: string;
  readonly text: string;
  readonly copies: number;
}

/** So many units of one template. */
export function units(name: string, copies: number, disconnect: 'keep' | 'stop', stopMs = 0, edition = 0): RowWork {
  const lines = [`Replicas=${copies}`];
  return { name: `${name}@.service`, text: beatingUnit({ disconnect, stopMs, edition, lines }), copies };
}

/** So many containers. */
export function containers(name: string, copies: number, disconnect: 'keep' | 'stop'): RowWork {
  return { name, text: beatingContainer(name, { disconnect, lines: [`replicas: ${copies}`] }), copies };
}

/** What is to run. */
export function expectedOf(work: readonly RowWork[]): Expected {
  return new Map(work.map(({ name, copies }) => [name, copies]));
}

/** Applies it and waits until everything is as desired. */
export async function start(field: Field, work: readonly RowWork[], deadlineMs = 120_000): Promise<void> {
  await Promise.all(work.map(async ({ name, text }) => field.cluster.apply(name, text, ['--no-wait'])));
  await awaitConverged(field, expectedOf(work), deadlineMs);
}

const dropIn = '/etc/systemd/system/muster.service.d/60-row.conf';

/** Has the agents run with further lines in their [Service] section while the action lasts; restarts them before and after. */
export async function withAgents<T>(
  field: Field,
  lines: (node: LabNode) => readonly string[],
  action: () => Promise<T>,
): Promise<T> {
  for (const node of field.nodes) {
    await node.writeFile(dropIn, `[Service]\n${lines(node).join('\n')}\n`);
    await restartAgent(field, node);
  }
  try {
    return await action();
  } finally {
    for (const node of field.nodes) {
      await node.run(['rm', '-f', dropIn]);
      await restartAgent(field, node);
    }
  }
}

/** systemd ends an agent that hangs for 30 s, and starts it again; where it's to hang for longer, it must not. */
export const noWatchdog = 'WatchdogSec=0';

async function restartAgent(field: Field, node: LabNode): Promise<void> {
  await node.run(['systemctl', 'daemon-reload']);
  await node.run(['systemctl', 'restart', 'muster']);
  await field.cluster.awaitJoined(node, 30_000);
}
