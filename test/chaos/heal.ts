import type { LabNode } from '../lab/lab-node.ts';
import { eventually } from '../support/eventually.ts';
import { stepClock } from './agent-clock.ts';
import { emptyDisk, setDraining } from './faults.ts';
import type { Field } from './field.ts';

const services = ['dbus', 'docker', 'etcd', 'muster'];

/** Thaws and starts what was frozen or had ended; on a node without etcd there's none to start. */
const repair = `
for unit in ${services.join(' ')}; do
  systemctl is-enabled --quiet "$unit" || [ "$unit" = dbus ] || continue
  systemctl kill --kill-who=main --signal=CONT "$unit" 2>/dev/null
  systemctl reset-failed "$unit" "$unit.socket" 2>/dev/null # killed often enough, systemd starts it no more
  systemctl is-active --quiet "$unit" || systemctl start --no-block "$unit"
done
`;

/** Undoes whatever a storm may have left; returns when every machine is up and has joined, and etcd is whole. */
export async function heal(field: Field): Promise<void> {
  await Promise.all(field.nodes.map(async (node) => healNode(field, node)));
  await field.lab.awaitEtcd(90_000);
  for (const node of field.nodes) await field.cluster.awaitJoined(node, 90_000);
  for (const node of field.nodes) await setDraining(field, node, false);
}

async function healNode(field: Field, node: LabNode): Promise<void> {
  await node.thaw();
  await node.reconnect();
  await node.boot();
  await stepClock(field.lab, node, 0);
  await eventually(`${node.name} repaired`, 60_000, async () => {
    await emptyDisk(node);
    return node.run(['sh', '-c', repair], { timeoutMs: 30_000 });
  });
}
