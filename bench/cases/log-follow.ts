import type { LabNode } from '../../test/lab/lab-node.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { BenchCase } from '../lib/bench-case.ts';
import { withCluster } from '../lib/bench-cluster.ts';
import { makeRatio } from '../lib/result.ts';
import { serveTls, serveTlsNoMore } from '../lib/serve-tls.ts';
import { median } from '../lib/statistics.ts';

const runs = 5;
const lines = 20_000;
const unit = 'talk.service';
/** On the reader's node: it shows lines. */
const readyFile = '/tmp/bench-ready';
/** Writes its lines whenever it's told to, and says which time it was. */
const text = `[Service]
LogRateLimitIntervalSec=1s
LogRateLimitBurst=1000000
ExecStart=/bin/bash -c 'n=0; echo "end 0"; while :; do until [ -e /run/talk ]; do sleep 0.05; done; rm /run/talk; n=$$((n+1)); \
echo "begin $$n"; seq -f "%%05g the quick brown fox jumps over the lazy dog" ${lines}; echo "end $$n"; done'
`;

/** A reader of the unit's lines: on which node, and by which command; `last`: so many that are there already, then those that come. */
interface Reader {
  readonly node: LabNode;
  readonly command: (last: number) => readonly string[];
}

/**
 * Lines a second that reach who follows a unit through two agents, one of which runs it, while it writes them as fast as it can: against
 * `journalctl -f` where it runs, in turns, on the same two cores. The second row: the same for lines that are there already.
 */
export const benchCase: BenchCase = {
  name: 'log-follow',
  mustReach: 'ratio >= 0.5, as it writes',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      await serveTls(bench);
      try {
        const { leader, follower } = await bench.roles();
        const document = bench.document(unit, { kind: 'unit', text }, { on: follower });
        await bench.apply(leader, [document]);
        await bench.cluster.awaitRunning(unit, 1);
        const readers: Readers = {
          ours: { node: leader, command: (last) => ['muster', 'logs', '-f', '-n', `${last}`, unit] },
          theirs: { node: follower, command: (last) => ['journalctl', '-f', '-n', `${last}`, '-u', unit] },
        };
        const live = await measure(readers, signal, async (reader, batch) => readLive(reader, follower, batch));
        const kept = await measure(readers, signal, async (reader) => readKept(reader, 2 * runs));
        yield toResult('log-follow', live);
        yield toResult('  of what is there', kept);
        await bench.remove(leader, [unit]);
      } finally {
        await serveTlsNoMore(bench);
      }
    }),
};

type Readers = Readonly<Record<'ours' | 'theirs', Reader>>;
type Rates = Readonly<Record<'ours' | 'theirs', number[]>>;

function toResult(name: string, { ours, theirs }: Rates) {
  return makeRatio(name, 'lines/s', { value: median(ours), baseline: median(theirs), n: runs });
}

/** In turns, so that a slow moment hits both. */
async function measure(
  readers: Readers,
  signal: AbortSignal,
  read: (reader: Reader, batch: number) => Promise<number>,
): Promise<Rates> {
  const rates: Rates = { ours: [], theirs: [] };
  for (let run = 0; run < runs; run += 1) {
    for (const [at, who] of (['ours', 'theirs'] as const).entries()) {
      signal.throwIfAborted();
      rates[who].push(await read(readers[who], 2 * run + at + 1));
    }
  }
  return rates;
}

/** Follows first, and has the lines written once the reader has shown the last one before them. */
async function readLive(reader: Reader, writer: LabNode, batch: number): Promise<number> {
  await reader.node.run(['rm', '-f', readyFile]);
  const reading = rateOf(reader, 1, batch);
  const go = eventually('a reader that follows', 30_000, async () => {
    await reader.node.run(['test', '-e', readyFile]);
    return writer.run(['touch', '/run/talk']);
  });
  await Promise.all([go, reading]);
  return reading;
}

/** The last of the lines that are there already. */
async function readKept(reader: Reader, batch: number): Promise<number> {
  return rateOf(reader, lines + 3, batch);
}

/** How many lines a second come, from the first one of the batch to its last; those that were left out don't count. */
async function rateOf({ node, command }: Reader, last: number, batch: number): Promise<number> {
  const script = `b="$1"; shift
exec 3< <(exec "$@" 2>/tmp/bench-log-errors); reader=$!
read -r before <&3; touch ${readyFile}
read -r first <&3; s=$EPOCHREALTIME
n=$(sed -n "/\\bend $b$/ {=;q}" <&3); e=$EPOCHREALTIME
kill "$reader"; echo "$s $e $n"`;
  const argv = ['bash', '-c', script, 'bash', `${batch}`, ...command(last)];
  const { stdout } = await node.run(argv, { timeoutMs: 60_000 });
  const [began = 0, ended = 0, count = 0] = stdout.trim().split(' ').map(Number);
  if (!(ended > began && count > 0)) throw new Error(`Cannot measure "${command(last).join(' ')}": ${stdout}`);
  return count / (ended - began);
}
