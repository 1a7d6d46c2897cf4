import type { LabNode } from '../lab-node.ts';
import type { Cluster } from './cluster.ts';
import { sleeper } from './workload-texts.ts';

/** For the [X-Muster] section, or as a list in YAML: what {@link placeOn} keeps off the other nodes. */
export const walled = 'wall-*.service';

/** Has workloads that conflict with {@link walled} start on this node, which nothing binds them to afterwards. */
export async function placeOn(cluster: Cluster, node: LabNode, texts: Readonly<Record<string, string>>): Promise<void> {
  const others = cluster.others(node);
  const walls = others.map(({ name, machineId }) => {
    return { name: `wall-${name}.service`, text: sleeper([], ['[X-Muster]', `MachineID=${machineId}`]) };
  });
  await Promise.all(walls.map(async ({ name, text }) => cluster.apply(name, text, ['--no-wait'])));
  await Promise.all(walls.map(async ({ name }) => cluster.awaitRunning(name, 1)));
  await cluster.startAll(texts);
  await cluster.muster(['rm', ...walls.map(({ name }) => name)]);
}
