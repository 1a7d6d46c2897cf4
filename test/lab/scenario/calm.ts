import assert from 'node:assert/strict';
import type { LabNode } from '../lab-node.ts';

/** What an agent may take while something is broken: a loop at full speed takes a whole CPU, and thousands of lines. */
const MOST_CPU = 0.25;
const MOST_LINES_PER_MINUTE = 120;
/** Of its own work, and, where it leads, of what is placed on others meanwhile. */
const LINES_AT_ONCE = 120;
/** Linux counts a process's time in hundredths of a second, on every machine of the lab. */
const TICKS_PER_SECOND = 100;

/** What a fault has cost the agent of a machine. */
export interface FaultCost {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly lines: number;
}

/** Begins to watch what a machine's agent takes; the result ends it, and fails where the agent was not calm, or was another process. */
export async function watchCalm(node: LabNode): Promise<(what: string) => Promise<FaultCost>> {
  const before = await sample(node);
  return async (what) => {
    const after = await sample(node);
    assert.equal(after.pid, before.pid, `${what}: the agent is the same process`);
    const seconds = (after.atMs - before.atMs) / 1_000;
    const cpuSeconds = (after.ticks - before.ticks) / TICKS_PER_SECOND;
    const journal = await node.journal('muster.service', { since: `@${before.atMs / 1_000}`, output: 'cat' });
    const lines = journal.split('\n').filter((line) => line.startsWith('{')).length;
    const shown = `${cpuSeconds.toFixed(1)} s of CPU and ${lines} lines in ${seconds.toFixed(1)} s`;
    process.stdout.write(`# ${what}: ${shown}\n`);
    assert.ok(cpuSeconds < 1 + MOST_CPU * seconds, `${what}: ${shown}`);
    assert.ok(lines < LINES_AT_ONCE + (MOST_LINES_PER_MINUTE * seconds) / 60, `${what}: ${shown}\n${journal}`);
    return { seconds, cpuSeconds, lines };
  };
}

async function sample(node: LabNode): Promise<{ readonly pid: number; readonly ticks: number; readonly atMs: number }> {
  const pid = await node.mainPid('muster.service');
  const stat = await node.readFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { pid, ticks: Number(fields[11]) + Number(fields[12]), atMs: Date.now() };
}
