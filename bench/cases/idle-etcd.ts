import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { makeRatio } from '../lib/result.ts';

const instances = 300;
const windowMs = 60_000;
const settleMs = 15_000;
/** Active without a process of its own. */
const cheapText = '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n';

/** Requests that etcd has taken from its clients, per second and node: with instances, and without any as the baseline. */
export const benchCase: BenchCase = {
  name: 'idle-etcd',
  mustReach: 'renewals only, ratio 1.0',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const { other } = await bench.roles();
      const rates: number[] = [];
      for (const count of [0, instances]) {
        if (count > 0) {
          const run = { kind: 'unit', text: cheapText } as const;
          await bench.apply(other, [bench.document('idle@.service', run, { replicas: count })]);
          await bench.cluster.awaitRunning('idle@.service', count, 180_000);
        }
        await delay(settleMs, undefined, { signal });
        const before = await readMessages(bench);
        await delay(windowMs, undefined, { signal });
        const after = await readMessages(bench);
        let total = 0;
        for (const [method, messages] of after) {
          const news = messages - (before.get(method) ?? 0);
          if (news > 0) context.say(`idle-etcd: ${count} instances: ${method}: ${news} in ${windowMs / 1000} s`);
          total += news;
        }
        rates.push(total / (windowMs / 1000) / bench.nodes.length);
      }
      const [baseline = Number.NaN, value = Number.NaN] = rates;
      yield makeRatio('idle-etcd', 'req/s', { value, baseline, n: 1 });
    }),
};

/** Messages from clients by method, of all members together. A stream counts with each message, not once. */
async function readMessages({ cluster }: BenchCluster): Promise<Map<string, number>> {
  const messages = new Map<string, number>();
  for (const endpoint of cluster.lab.etcdEndpoints) {
    const text = await (await fetch(`${endpoint}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
    const line =
      /^grpc_server_msg_received_total\{grpc_method="(\w+)",grpc_service="etcdserverpb\.([\w.]+)".*\} (\S+)$/gm;
    for (const [, method = '', service = '', count] of text.matchAll(line)) {
      const name = `${service}/${method}`;
      messages.set(name, (messages.get(name) ?? 0) + Number(count));
    }
  }
  return messages;
}
