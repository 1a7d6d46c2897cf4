import { copyFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';
import type { BenchContext } from './bench-case.ts';
import { BenchCluster } from './bench-cluster.ts';
import { sleepText } from './machine-times.ts';
import { hostPid } from './processes.ts';

const instances = 100;
const emptyUnit = 'empty-node.service';
const emptyText =
  '[Service]\nType=exec\nExecStart=/usr/local/bin/empty-node -e "setInterval(() => undefined, 1000000000)"\n';

/** A follower that runs a hundred instances, and an empty Node process beside its agent. */
export interface IdleFollower {
  readonly agentPid: number;
  readonly emptyPid: number;
  close(): void;
}

/**
 * Makes one follower run all the instances, which is more than its share, then starts its agent and an empty Node process,
 * both from files that were copied to its disk in the same way, and leaves them alone for a minute.
 */
export async function openIdleFollower(context: BenchContext, signal: AbortSignal): Promise<IdleFollower> {
  const bench = await BenchCluster.open(context);
  const { follower, other } = await bench.roles();
  await copyBoth(follower, context);
  await follower.run(['systemctl', 'restart', 'muster.service']);
  await bench.awaitWhole();
  await bench.apply(other, [
    bench.document('idle@.service', { kind: 'unit', text: sleepText }, { on: follower, replicas: instances }),
  ]);
  await bench.cluster.awaitRunning('idle@.service', instances, 120_000);
  await follower.run(['systemctl', 'start', emptyUnit]);
  context.say(`${follower.name} runs ${instances} instances, and is left alone for 60 s`);
  await delay(60_000, undefined, { signal });
  return {
    agentPid: await hostPid(follower, 'muster.service'),
    emptyPid: await hostPid(follower, emptyUnit),
    close: () => bench.close(),
  };
}

/** Pages of a file are shared with whoever else has it mapped, and counted by how the file came to be: both are new here. */
async function copyBoth(node: LabNode, { executable, node: emptyNode }: BenchContext): Promise<void> {
  const root = `/proc/${node.leaderPid}/root`;
  await copyFile(executable, `${root}/usr/local/bin/muster.new`);
  await copyFile(emptyNode, `${root}/usr/local/bin/empty-node`);
  await node.run(['mv', '/usr/local/bin/muster.new', '/usr/local/bin/muster']);
  await node.writeFile(`/run/systemd/system/${emptyUnit}`, emptyText);
}
