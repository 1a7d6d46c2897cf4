import { releaseCommand } from '../domain/hold.ts';
import type { ClusterStatus, HoldStatus, NodeStatus, StatusAnswer } from '../wire/status-answers.ts';
import type { Context, Tone } from './context.ts';
import { formatAge, formatTime, formatWhen } from './durations.ts';
import { printFields, printTable } from './print-answer.ts';
import { describeSummary } from './show-detail.ts';
import { printable } from './table.ts';

type Screen = Pick<Context, 'stdout' | 'paint' | 'clock' | 'utc' | 'timeZone'>;

/** More than these are counted, not listed. */
const SHORT_LISTED = 20;

/** The cluster as `muster status` shows it. */
export function showStatus(screen: Screen, answer: StatusAnswer): void {
  const { cluster, etcd, node } = answer;
  printFields(screen, [
    ['Cluster', answer.id],
    ['State', judgeCluster(answer)],
    ['This node', `${node.hostname}, ${node.status}`],
    [
      'etcd',
      etcd.answers
        ? `answers (${etcd.tookMs} ms), ${goodSince(screen, answer)}raft term ${etcd.raftTerm}, revision ${etcd.revision}`
        : `does not answer: ${etcd.reason}`,
    ],
    ['Store', describeStore(screen, answer)],
    ['Leader', cluster === undefined ? undefined : describeLeader(cluster)],
    ['Nodes', cluster === undefined ? undefined : describeNodes(cluster)],
    ['Workloads', cluster === undefined ? undefined : describeWork(cluster)],
  ]);
  if (cluster === undefined) return;
  for (const hold of cluster.holds) showHold(screen, hold);
  showUnusual(screen, cluster.unusual);
  showShort(screen, cluster);
}

/** In one line: is there anything to do? */
function judgeCluster({ cluster, etcd }: StatusAnswer): string {
  if (!etcd.answers || cluster === undefined) return 'etcd does not answer: what runs, runs on, and nothing changes';
  const { nodes, holds, short, leader } = cluster;
  const count = (number: number, what: string) => (number === 0 ? '' : `${number} ${number === 1 ? what : `${what}s`}`);
  const found = [
    leader === undefined ? 'nobody leads' : '',
    nodes['in-doubt'] > 0 ? `${count(nodes['in-doubt'], 'node')} in doubt` : '',
    nodes.lost > 0 ? `${count(nodes.lost, 'node')} lost` : '',
    nodes.away > 0 ? `${count(nodes.away, 'agent')} away` : '',
    holds.length > 0 ? 'replacement held' : '',
    short.length > 0 ? `${count(short.length, 'workload')} not as desired` : '',
  ].filter((text) => text !== '');
  return found.length === 0 ? 'all is as desired' : found.join(', ');
}

/** What's wrong with it beyond that it doesn't answer. */
function describeStore(screen: Screen, { store }: StatusAnswer): string | undefined {
  if (store === undefined || store.state === 'good' || store.state === 'unknown') return undefined;
  return `${store.state} since ${formatWhen(store.since, screen)}: ${store.text}`;
}

function goodSince(screen: Screen, { store }: StatusAnswer): string {
  return store?.state === 'good' ? `good for ${formatAge(store.since, screen.clock.wallTime())}, ` : '';
}

function describeLeader({ leader, term }: ClusterStatus): string {
  return leader === undefined ? 'none' : `${leader.hostname}, term ${term ?? '?'}`;
}

function describeNodes({ nodes }: ClusterStatus): string {
  const counts = Object.entries(nodes).filter(([, count]) => count > 0);
  return counts.length === 0 ? 'none' : counts.map(([state, count]) => `${count} ${state}`).join(', ');
}

function describeWork({ workloads, instances }: ClusterStatus): string {
  return `${workloads.asDesired} of ${workloads.known} as desired; ${instances.healthy} of ${instances.wanted} instances healthy`;
}

function showHold(screen: Screen, { nodes, since, until, reason }: HoldStatus): void {
  const { stdout, paint } = screen;
  const names = nodes.map(({ hostname }) => hostname).join(', ');
  stdout.write(`\n${paint('Held:', 'bad')} ${printable(reason)}, ${formatWhen(since, screen)}\n`);
  stdout.write(
    `  nothing of ${printable(names)} is replaced until ${formatTime(until, screen)}, or until they are back\n`,
  );
  stdout.write(`  to replace it now: ${releaseCommand}\n`);
}

function showUnusual(screen: Screen, unusual: readonly NodeStatus[]): void {
  if (unusual.length === 0) return;
  const now = screen.clock.wallTime();
  const rows = unusual.map(({ node, state, lostSince, why }) => {
    const tone: Tone = state === 'lost' || state === 'in-doubt' ? 'bad' : 'warn';
    const since = lostSince === undefined ? '' : ` for ${formatAge(lostSince, now)}`;
    return [{ text: node.hostname, tone: 'strong' as const }, { text: state + since, tone }, { text: why ?? '' }];
  });
  screen.stdout.write('\n');
  printTable(screen, [{ title: 'NODE' }, { title: 'STATE' }, { title: 'WHY', shrinks: true }], rows, '');
}

function showShort(screen: Screen, { short }: ClusterStatus): void {
  if (short.length === 0) return;
  const rows = short.slice(0, SHORT_LISTED).map(({ workload, summary }) => {
    const [first] = summary.problems;
    const more = summary.problems.length > 1 ? ` (and ${summary.problems.length - 1} more)` : '';
    const why = first === undefined ? '' : `${first.instance}: ${first.text}${more}`;
    return [{ text: workload, tone: 'strong' as const }, { text: describeSummary(summary) }, { text: why }];
  });
  screen.stdout.write('\n');
  printTable(screen, [{ title: 'WORKLOAD' }, { title: 'STATE' }, { title: 'WHY', shrinks: true }], rows, '');
  if (short.length > SHORT_LISTED)
    screen.stdout.write(`and ${short.length - SHORT_LISTED} more: "muster ls" lists all\n`);
}
