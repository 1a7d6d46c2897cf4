import type { BenchCase } from '../lib/bench-case.ts';
import { openIdleFollower } from '../lib/idle-follower.ts';
import { readMemory } from '../lib/processes.ts';
import { makeRatio } from '../lib/result.ts';

/** What a follower's agent has in memory after an idle minute with a hundred instances, over an empty Node process. */
export const benchCase: BenchCase = {
  name: 'agent-memory',
  mustReach: 'ratio <= 2.0, anonymous <= 45 MB',
  async *run(context, signal) {
    const follower = await openIdleFollower(context, signal);
    try {
      const agent = await readMemory(follower.agentPid);
      const empty = await readMemory(follower.emptyPid);
      yield makeRatio('agent-memory', 'MB', { value: agent.residentMb, baseline: empty.residentMb, n: 1 });
      yield makeRatio('  anonymous', 'MB', { value: agent.anonymousMb, baseline: empty.anonymousMb, n: 1 });
    } finally {
      follower.close();
    }
  },
};
