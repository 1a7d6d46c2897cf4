import { setTimeout as delay } from 'node:timers/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { makeBaselineBody, sleepContainer } from '../lib/containers.ts';
import { EngineApi } from '../lib/engine-api.ts';
import { now } from '../lib/moments.ts';
import { makeResult } from '../lib/result.ts';

const runs = 20;

/**
 * From the order's appearance in etcd to the container running by dockerd's own clock; against the same create and start
 * asked of the same dockerd directly. In turns, on one follower that has the image.
 */
export const benchCase: BenchCase = {
  name: 'container-start',
  mustReach: 'ratio <= 1.10',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const { follower, other } = await bench.roles();
      const engine = new EngineApi(follower);
      const [ours, theirs]: [number[], number[]] = [[], []];
      let body: object = {};
      for (let run = -2; run < runs; run += 1) {
        signal.throwIfAborted();
        const { tookMs, body: asked } = await startByOrder(bench, follower, other, {
          engine,
          name: `bench-${run + 2}`,
        });
        body = asked;
        const theirMs = await startByHand(engine, `base-${run + 2}`, body);
        if (run < 0) continue;
        ours.push(tookMs);
        theirs.push(theirMs);
      }
      engine.close();
      yield makeResult('container-start', 'ms', ours, theirs);
    }),
};

async function startByOrder(
  bench: BenchCluster,
  node: LabNode,
  via: LabNode,
  { engine, name }: { readonly engine: EngineApi; readonly name: string },
): Promise<{ tookMs: number; body: object }> {
  const orders = await bench.record(bench.layout.assignmentsOf(await bench.idOf(node)));
  try {
    await delay(100);
    await bench.apply(via, [bench.document(name, sleepContainer, { on: node })]);
    const order = await orders.first('an order', 10_000, ({ type }) => type === 'put');
    await delay(1_000);
    await bench.cluster.awaitRunning(name, 1, 60_000);
    const startedMs = await engine.startedAt(`muster-${name}.0`);
    const body = await makeBaselineBody(bench, name);
    await bench.remove(via, [name]);
    return { tookMs: startedMs - order.atMs, body };
  } finally {
    await orders.close();
  }
}

async function startByHand(engine: EngineApi, name: string, body: object): Promise<number> {
  await delay(300);
  const beganMs = now();
  const id = await engine.run(name, body);
  const startedMs = await engine.startedAt(id);
  await engine.remove(id);
  return startedMs - beganMs;
}
