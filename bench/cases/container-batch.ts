import { setTimeout as delay } from 'node:timers/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { makeBaselineBody, sleepContainer } from '../lib/containers.ts';
import { EngineApi } from '../lib/engine-api.ts';
import { now } from '../lib/moments.ts';
import { makeResult } from '../lib/result.ts';

const containers = 50;
const parallel = 4;
const runs = 3;

/** Fifty copies of a container on one follower, first order to last one running; against as many raw creates and starts. */
export const benchCase: BenchCase = {
  name: 'container-batch',
  mustReach: 'ratio <= 1.15',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const { follower, other } = await bench.roles();
      const engine = new EngineApi(follower);
      const [ours, theirs]: [number[], number[]] = [[], []];
      await startByOrder(bench, follower, other, { engine, name: 'warm-up', copies: 2 });
      for (let run = 0; run < runs; run += 1) {
        signal.throwIfAborted();
        const name = `bench-${run}`;
        const { tookMs, body } = await startByOrder(bench, follower, other, { engine, name, copies: containers });
        const theirMs = await startByHand(engine, `base-${run}`, body);
        context.say(`container-batch: ${tookMs.toFixed(0)} ms, by hand ${theirMs.toFixed(0)} ms`);
        ours.push(tookMs);
        theirs.push(theirMs);
      }
      engine.close();
      yield makeResult('container-batch', 'ms', ours, theirs);
    }),
};

async function startByOrder(
  bench: BenchCluster,
  node: LabNode,
  via: LabNode,
  { engine, name, copies }: { readonly engine: EngineApi; readonly name: string; readonly copies: number },
): Promise<{ tookMs: number; body: object }> {
  const orders = await bench.record(bench.layout.assignmentsOf(await bench.idOf(node)));
  try {
    await delay(500);
    await bench.apply(via, [bench.document(name, sleepContainer, { on: node, replicas: copies })]);
    const order = await orders.first('an order', 10_000, ({ type }) => type === 'put');
    await delay(100 * copies); // asking meanwhile would be measured, too
    await bench.cluster.awaitRunning(name, copies, 180_000);
    const startedMs: number[] = [];
    for (let slot = 0; slot < copies; slot += 1) startedMs.push(await engine.startedAt(`muster-${name}.${slot}`));
    const body = await makeBaselineBody(bench, name);
    await bench.remove(via, [name]);
    return { tookMs: Math.max(...startedMs) - order.atMs, body };
  } finally {
    await orders.close();
  }
}

async function startByHand(engine: EngineApi, name: string, body: object): Promise<number> {
  await delay(2_000);
  const ids: string[] = [];
  const beganMs = now();
  const numbers = Array.from({ length: containers }, (_, index) => index).values();
  const startSome = async () => {
    for (const number of numbers) ids.push(await engine.run(`${name}-${number}`, body));
  };
  await Promise.all(Array.from({ length: parallel }, startSome));
  const startedMs: number[] = [];
  for (const id of ids) startedMs.push(await engine.startedAt(id));
  for (const id of ids) await engine.remove(id);
  return Math.max(...startedMs) - beganMs;
}
