import { beganMs, lastBeatMs, type Run } from '../../lab/checker/run-log.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { awaitConverged } from '../convergence.ts';
import type { Field } from '../field.ts';
import { pass, type Row, type RowContext, type RowResult, seconds } from '../row.ts';
import { containers, expectedOf, noWatchdog, type RowWork, start, units, withAgents } from '../row-work.ts';

const original = units('originals', 3, 'keep');
const work: readonly RowWork[] = [
  units('keeps', 6, 'keep'),
  { ...original, text: `${original.text}OnReturn=keep-original\n` },
  units('stops', 6, 'stop'),
  containers('boxes', 3, 'keep'),
  containers('vaults', 3, 'stop'),
];

interface Seen {
  replaced: number;
  shortestGapMs: number;
  readonly failures: string[];
}

/** SIGSTOP to one node's agent for ten times the TTL, then SIGCONT. */
export const row: Row = {
  name: 'agent-frozen',
  fault: 'agent frozen for 10 × TTL',
  mustShow: '`stop`: gone before the replacement starts; `keep`: undisturbed, resolved as `onReturn` says',
  lab: { nodes: 3, ttlMs: 4_000 },
  times: { quick: 1, full: 6 },
  run: async (context) =>
    withAgents(
      context.field,
      () => [noWatchdog],
      async () => freezeAgents(context),
    ),
};

async function freezeAgents({ field, times, signal, say }: RowContext): Promise<RowResult> {
  await start(field, work);
  const seen: Seen = { replaced: 0, shortestGapMs: Infinity, failures: [] };
  for (let time = 0; time < times; time += 1) {
    const node = field.nodes[time % field.nodes.length];
    if (node === undefined) break;
    await once(field, node, seen, signal);
    await field.forgiveFlaps();
    say(`time ${time + 1}: ${seen.replaced} replaced so far`);
  }
  const { violations, longestOverlapMs } = await field.judge();
  if (seen.replaced === 0) seen.failures.push('no `stop` instance was replaced: nothing was shown');
  const measured = `${seen.replaced} \`stop\` instances replaced, overlap ${Math.round(longestOverlapMs)} ms, shortest gap ${seconds(seen.shortestGapMs)}; \`keep\` undisturbed, resolved (${times} ×)`;
  return { failures: [...seen.failures, ...violations], measured };
}

async function once(field: Field, node: LabNode, seen: Seen, signal: AbortSignal): Promise<void> {
  const here = await runsOn(field, node);
  const isOver = field.faults.begin('agent-freeze', { node: field.idOf(node) });
  await node.freezeProcess('muster');
  await pass(10 * field.lab.ttlMs, signal);
  const during = await field.runs();
  await node.thawProcess('muster');
  isOver();
  for (const run of here) {
    const now = during.find(({ id }) => id === run.id) ?? run;
    const next = during.find((each) => each.instance === run.instance && beganMs(each) > beganMs(run));
    if (run.mode === 'keep') {
      if (during.at(-1) !== undefined && lastBeatMs(now) < newestBeatMs(during) - 2_000)
        seen.failures.push(`${run.instance} did not run on`);
    } else if (next === undefined) seen.failures.push(`${run.instance} was not replaced`);
    else {
      seen.replaced += 1;
      seen.shortestGapMs = Math.min(seen.shortestGapMs, beganMs(next) - lastBeatMs(now));
    }
  }
  await awaitConverged(field, expectedOf(work), 60_000);
  const left = new Set((await runsOn(field, node)).map(({ id }) => id));
  for (const run of here.filter(({ mode }) => mode === 'keep')) {
    const survives = left.has(run.id);
    const should = run.instance.startsWith('originals');
    if (survives !== should) seen.failures.push(`${run.instance} ${survives ? 'was kept' : 'was not kept'} on return`);
  }
}

async function runsOn(field: Field, node: LabNode): Promise<Run[]> {
  const runs = await field.runs();
  const atMs = newestBeatMs(runs);
  return runs.filter((run) => run.node === field.idOf(node) && !run.ended && lastBeatMs(run) > atMs - 1_000);
}

function newestBeatMs(runs: readonly Run[]): number {
  return runs.reduce((max, run) => Math.max(max, lastBeatMs(run)), 0);
}
