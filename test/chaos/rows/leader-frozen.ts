import type { LabNode } from '../../lab/lab-node.ts';
import { eventually } from '../../support/eventually.ts';
import { awaitConverged } from '../convergence.ts';
import { setDraining } from '../faults.ts';
import type { Field } from '../field.ts';
import { pass, type Row, type RowContext, type RowResult, seconds } from '../row.ts';
import { expectedOf, noWatchdog, start, units, withAgents } from '../row-work.ts';

/** What holds the placing of so many instances; renewals alone are far less. */
const commitBytes = 2_000;
/** Soon after, the leader would notice that nothing answers, and plan no more. */
const planLimitMs = 4_000;

/**
 * The leader's packets are dropped, but not those that it's sent: it sees what is applied, plans, and its commit stays on the
 * way. Then its process is frozen. Another leads and places the work; the packets pass again, so that the kernel delivers the
 * old commit; and the old leader goes on where it was.
 */
export const row: Row = {
  name: 'leader-frozen',
  fault: 'leader frozen between plan and commit for 60 s, and thawed',
  mustShow: '0 writes after thaw',
  lab: { nodes: 3, ttlMs: 10_000 },
  times: { quick: 1, full: 5 },
  run: async (context) => {
    const { field } = context;
    const lines = (node: LabNode): string[] => [otherMembers(field, node), noWatchdog];
    return withAgents(field, lines, async () => freezeLeaders(context));
  },
};

async function freezeLeaders({ field, times, quick, signal, say }: RowContext): Promise<RowResult> {
  const failures: string[] = [];
  const frozenMs = quick ? 20_000 : 60_000;
  let late = 0;
  let caught = 0;
  for (let time = 0; time < times; time += 1) {
    if (time > 0) await field.clear();
    const found = await once(field, frozenMs, signal);
    late += found.writes.length;
    caught += found.unsentBytes >= commitBytes ? 1 : 0;
    failures.push(...found.writes.map((path) => `the old leader, or somebody, wrote ${path} after the thaw`));
    say(`time ${time + 1}: ${found.unsentBytes} bytes were on the way, ${found.writes.length} writes after the thaw`);
  }
  if (caught === 0) failures.push('no commit was on the way when the leader was frozen: nothing was shown');
  failures.push(...(await field.judge()).violations);
  const measured = `${late} writes after thaw (${times} × ${seconds(frozenMs)}, ${caught} with a commit on the way)`;
  return { failures, measured };
}

async function once(
  field: Field,
  frozenMs: number,
  signal: AbortSignal,
): Promise<{ writes: string[]; unsentBytes: number }> {
  const { cluster } = field;
  const leader = await cluster.leader();
  // Nothing runs on it, so that its return gives the next leader nothing to write.
  await setDraining(field, leader, true);
  const work = [units('late', 12, 'keep')];
  await start(field, [units('early', 4, 'keep')]);
  const [operator] = cluster.others(leader);
  if (operator === undefined) throw new Error('three nodes');
  // etcd itself must be able to go on while this machine is cut off.
  await cluster.keepEtcdLeadOff(leader);
  await leader.cutOff('from-node');
  for (const { name, text } of work) await cluster.apply(name, text, ['--no-wait'], { on: operator });
  const unsentBytes = await awaitCommit(leader);
  await leader.freezeProcess('muster');
  const frozenAtMs = performance.now();
  await eventually('another leader', 6 * field.lab.ttlMs, async () => {
    const { leader: now } = await cluster.ask(async (client, abort) => client.cluster(abort), operator);
    return now !== undefined && now.hostname !== leader.name;
  });
  const expected = expectedOf([...work, units('early', 4, 'keep')]);
  await awaitConverged(field, expected, 60_000, operator);
  // What the old commit does when it's delivered counts too.
  const { revision } = await cluster.ask(async (client, abort) => client.cluster(abort), operator);
  await leader.reconnect();
  await eventually('the old commit delivered', 130_000, async () => (await bytesOnTheWay(leader)) === 0, 500);
  await pass(Math.max(0, frozenMs - (performance.now() - frozenAtMs)), signal);
  await leader.thawProcess('muster');
  await cluster.awaitJoined(leader, 30_000);
  await pass(2 * field.lab.ttlMs, signal);
  await awaitConverged(field, expected, 30_000);
  await setDraining(field, leader, false);
  const writes = field.history.changes.filter((change) => {
    return change.revision > revision && /^(assignments|instances|holds)\//.test(change.path);
  });
  return { writes: writes.map(({ path }) => path), unsentBytes };
}

/** Waits until a commit is on the way; where none comes, returns the little that is. */
async function awaitCommit(leader: LabNode): Promise<number> {
  let bytes = 0;
  const isSeen = async (): Promise<boolean> => {
    bytes = await bytesOnTheWay(leader);
    return bytes >= commitBytes;
  };
  await eventually('a commit on the way', planLimitMs, isSeen).catch(() => undefined);
  return bytes;
}

/** What the machine's connections to etcd have sent without an acknowledgement. */
async function bytesOnTheWay(node: LabNode): Promise<number> {
  const { stdout } = await node.run(['ss', '-Htn', 'state', 'established', 'dport', '=', ':2379'], {
    timeoutMs: 5_000,
  });
  return stdout
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[1] ?? 0))
    .reduce((sum, each) => sum + each, 0);
}

/** Agents talk to the members on other machines only: what goes to the own one would pass the cut. */
function otherMembers(field: Field, node: LabNode): string {
  const endpoints = field.lab.etcdEndpoints.filter((endpoint) => !endpoint.includes(`//${node.address}:`));
  return `Environment=MUSTER_ETCD_ENDPOINTS=${endpoints.join(',')}`;
}
