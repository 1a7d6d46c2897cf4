import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentFigures, readAgent } from '../../../src/agent/agent-readings.ts';
import { Meters } from '../../../src/agent/meters.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { families } from '../../../src/metrics/families.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';

const follower: AgentFigures = {
  nowMs: 50_000,
  state: 'joined',
  isFenced: false,
  lease: { ttlMs: 10_000, lastRenewedSentAtMs: 48_500, fenceAtMs: 54_500 },
  store: 'good',
  revision: 77,
  endpoints: { current: 'https://10.0.0.1:2379', changes: 2 },
  node: {
    phases: new Map([
      ['running', 3],
      ['pulling', 1],
    ]),
    actionsInFlight: 1,
    passRunningForMs: 250,
    unreadable: new Map(),
    hasObserved: true,
  },
  term: undefined,
  leader: undefined,
};

/** `name{label value} value` for each reading. */
function linesOf(figures: AgentFigures): string[] {
  return readAgent(figures).map(({ name, labels, value }) => {
    const shown = Object.entries(labels).map(([label, text]) => `${label}=${text}`);
    assert.deepEqual(Object.keys(labels), [...families[name].labels], name);
    return `${name}{${shown.join(',')}} ${value}`;
  });
}

test('a follower tells where it stands, and nothing of the cluster', () => {
  const lines = linesOf(follower);
  for (const expected of [
    'muster_node_state{state=joined} 1',
    'muster_node_state{state=refused} 0',
    'muster_etcd_state{state=good} 1',
    'muster_etcd_state{state=full} 0',
    'muster_etcd_revision{} 77',
    'muster_etcd_endpoint_in_use{endpoint=https://10.0.0.1:2379} 1',
    'muster_etcd_endpoint_changes_total{} 2',
    'muster_node_fenced{} 0',
    'muster_lease_ttl_seconds{} 10',
    'muster_lease_age_seconds{} 1.5',
    'muster_lease_fence_remaining_seconds{} 4.5',
    'muster_instances{phase=running} 3',
    'muster_instances{phase=pulling} 1',
    'muster_actions_in_flight{} 1',
    'muster_loop_pass_running_seconds{loop=node} 0.25',
    'muster_loop_pass_running_seconds{loop=leader} 0',
    'muster_leader{} 0',
  ])
    assert.ok(lines.includes(expected), `${expected} in\n${lines.join('\n')}`);
  assert.ok(!lines.some((line) => /muster_(cluster|leader_term)/.test(line)));
});

test('a leader tells of its term and of the cluster', () => {
  const cluster = {
    nodes: { up: 2, leaving: 0, away: 0, 'in-doubt': 0, lost: 1 },
    unschedulable: { cordoned: 1, draining: 0, calm: 0 },
    workloads: { run: 4, stop: 1 },
    healthyWorkloads: 3,
    phases: new Map([['running', 9] as const]),
    pending: 2,
    isHeld: true,
  };
  const lines = linesOf({ ...follower, term: 40, leader: { cluster, passRunningForMs: 0 } });
  for (const expected of [
    'muster_leader{} 1',
    'muster_leader_term{} 40',
    'muster_cluster_nodes{state=lost} 1',
    'muster_cluster_nodes_unschedulable{reason=cordoned} 1',
    'muster_cluster_workloads{desired=run} 4',
    'muster_cluster_workloads_healthy{} 3',
    'muster_cluster_instances{phase=running} 9',
    'muster_cluster_instances_pending{} 2',
    'muster_cluster_hold{kind=mass-loss} 1',
  ])
    assert.ok(lines.includes(expected), `${expected} in\n${lines.join('\n')}`);
});

test('an agent that has never joined says nothing of a lease or a revision', () => {
  const lines = linesOf({ ...follower, state: 'joining', lease: undefined, revision: 0, endpoints: undefined });
  assert.ok(!lines.some((line) => /lease|revision|endpoint/.test(line)), lines.join('\n'));
});

test('calls to etcd are timed by what became of them, and tell its revision', () => {
  const metrics = new Metrics();
  const meters = new Meters(metrics);
  meters.call({ operation: 'get', tookMs: 4, isLost: false, revision: 12 });
  meters.call({ operation: 'commit', tookMs: 8, isLost: true, revision: 9 });
  const error = new AgentError('UNAVAILABLE', 'no endpoint answered');
  meters.call({ operation: 'list', tookMs: 5_000, isLost: false, failure: { error, wasAborted: false } });
  meters.call({ operation: 'list', tookMs: 1, isLost: false, failure: { error, wasAborted: true } });
  const timed = metrics.histograms.get('muster_etcd_request_duration_seconds')?.distributions ?? [];
  assert.deepEqual(
    timed.map(({ labels, sum }) => `${labels['operation']} ${labels['outcome']} ${sum}`),
    ['get ok 0.004', 'commit lost 0.008', 'list unavailable 5', 'list aborted 0.001'],
  );
  assert.equal(meters.revision, 12);
});

test('loops have their counts from the beginning', () => {
  const metrics = new Metrics();
  const meters = new Meters(metrics);
  meters.nodePass(12, false);
  meters.nodePass(3, true);
  const samplesOf = (name: 'muster_loop_passes_total' | 'muster_loop_pass_failures_total') =>
    metrics.counters.get(name)?.samples.map(({ labels, value }) => `${labels['loop']} ${value}`);
  assert.deepEqual(samplesOf('muster_loop_passes_total'), ['node 2', 'leader 0']);
  assert.deepEqual(samplesOf('muster_loop_pass_failures_total'), ['node 1', 'leader 0']);
});
