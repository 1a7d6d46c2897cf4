import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase } from '../lib/bench-case.ts';
import { openIdleFollower } from '../lib/idle-follower.ts';
import { now } from '../lib/moments.ts';
import { readCpuMs } from '../lib/processes.ts';
import { makeRatio } from '../lib/result.ts';

const windowMs = 60_000;
/** An empty process takes nothing at all; a ratio needs something. */
const leastShare = 0.01;

/** The share of a core that a follower's agent takes while nothing happens, over that of an empty Node process. */
export const benchCase: BenchCase = {
  name: 'agent-cpu',
  mustReach: 'value <= 0.3 % of a core',
  async *run(context, signal) {
    const follower = await openIdleFollower(context, signal);
    const { agentPid, emptyPid } = follower;
    try {
      const began = { atMs: now(), agentMs: await readCpuMs(agentPid), emptyMs: await readCpuMs(emptyPid) };
      await delay(windowMs, undefined, { signal });
      const share = (cpuMs: number) => (cpuMs / (now() - began.atMs)) * 100;
      const value = share((await readCpuMs(agentPid)) - began.agentMs);
      const baseline = Math.max(leastShare, share((await readCpuMs(emptyPid)) - began.emptyMs));
      yield makeRatio('agent-cpu', '%', { value, baseline, n: 1 });
    } finally {
      follower.close();
    }
  },
};
