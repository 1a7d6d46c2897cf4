import { awaitConverged } from '../convergence.ts';
import { pass, type Row, seconds } from '../row.ts';
import { expectedOf, units } from '../row-work.ts';

const count = 50;

/** 50 instances are applied, and a moment later a node has no power: each time another node, another moment. */
export const row: Row = {
  name: 'power-off-in-apply',
  fault: 'node powered off in the middle of an apply of 50 instances',
  mustShow: 'converges, nothing lost',
  lab: { nodes: 3, ttlMs: 4_000 },
  times: { quick: 1, full: 6 },
  run: async ({ field, times, signal, say }) => {
    const failures: string[] = [];
    let longestMs = 0;
    for (let time = 0; time < times; time += 1) {
      if (time > 0) await field.clear();
      const work = [units('batch', count, time % 2 === 0 ? 'keep' : 'stop')];
      const node = field.nodes[time % field.nodes.length];
      const operator = field.nodes[(time + 1) % field.nodes.length];
      if (node === undefined || operator === undefined) break;
      for (const { name, text } of work) await field.cluster.apply(name, text, ['--no-wait'], { on: operator });
      await pass(100 + 300 * time, signal);
      const isOver = field.faults.begin('power-off', { node: field.idOf(node), endsRuns: 'all' });
      await node.powerOff();
      const withoutMs = await awaitConverged(field, expectedOf(work), 60_000);
      await node.boot();
      isOver();
      await field.cluster.awaitJoined(node, 60_000);
      await awaitConverged(field, expectedOf(work), 60_000);
      longestMs = Math.max(longestMs, withoutMs);
      say(`time ${time + 1}: all ${count} run elsewhere after ${seconds(withoutMs)}`);
      failures.push(...(await field.judge()).violations);
    }
    const measured = `all ${count} run, ${seconds(longestMs)} after the power-off at most (${times} ×, TTL ${seconds(field.lab.ttlMs)})`;
    return { failures, measured };
  },
};
