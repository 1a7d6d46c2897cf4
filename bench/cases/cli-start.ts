import type { BenchCase, BenchContext, Result } from '../lib/bench-case.ts';
import { withCluster } from '../lib/bench-cluster.ts';
import { sleepText } from '../lib/machine-times.ts';
import { measureProcess } from '../lib/measure-process.ts';
import { makeResult } from '../lib/result.ts';

const runs = 40;
const instances = 9;

/**
 * `muster version`, then `muster ps` against the agent of a node with some work in its cluster, each against an empty script of the
 * same Node, in turns, so that a slow moment hits both. The files are the host's for all three.
 */
export const benchCase: BenchCase = {
  name: 'cli-start',
  mustReach: 'ratio <= 2.0; of ps 2.5',
  async *run(context, signal) {
    yield compare('cli-start', context, ['version'], signal);
    yield* withCluster(context, async function* (bench) {
      const { follower } = await bench.roles();
      const run = { kind: 'unit', text: sleepText } as const;
      await bench.apply(follower, [bench.document('some@.service', run, { replicas: instances })]);
      await bench.cluster.awaitRunning('some@.service', instances, 60_000);
      const socket = `/proc/${follower.leaderPid}/root/run/muster/muster.sock`;
      yield compare('  muster ps', context, ['ps', '--socket', socket], signal);
    });
  },
};

function compare(
  name: string,
  { executable, node }: BenchContext,
  command: readonly string[],
  signal: AbortSignal,
): Result {
  const [ours, empty]: [number[], number[]] = [[], []];
  for (let run = -2; run < runs; run += 1) {
    signal.throwIfAborted();
    const ourMs = measureProcess(executable, command);
    const emptyMs = measureProcess(node, ['-e', '0']);
    if (run < 0) continue;
    ours.push(ourMs);
    empty.push(emptyMs);
  }
  return makeResult(name, 'ms', ours, empty);
}
