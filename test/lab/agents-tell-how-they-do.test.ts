import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type FamilyName, families } from '../../src/metrics/families.ts';
import type { HealthAnswer, ReadyAnswer } from '../../src/wire/health-answers.ts';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** As a probe on the node would ask. */
async function get(node: LabNode, path: string): Promise<Answer> {
  const socketPath = `/proc/${node.leaderPid}/root/run/muster/muster.sock`;
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, timeout: 5_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** What a node's /metrics says: value by name with labels, as it's written. */
async function scrape(node: LabNode): Promise<ReadonlyMap<string, number>> {
  const { status, text } = await get(node, '/metrics');
  assert.equal(status, 200);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.replace(/ [^ ]+$/, ''), Number(/ ([^ ]+)$/.exec(line)?.[1])]));
}

/** Without an API over TLS there are none: test/surface/agent/certificate-times.test.ts has them. */
const ofCertificates = /^muster_(certificate|ca)_/;

scenarios('agents tell how they do', (scenario) => {
  scenario('each metric has a value somewhere, and they agree with what is there', async (cluster) => {
    await cluster.applyAll({ 'sleeper.service': sleeper(), box: sleepingContainer('box') });
    await cluster.muster(['stop', 'box']);
    await cluster.apply('wish', sleepingContainer('wish', ['placement: {constraints: [moon=full]}']), ['--no-wait']);
    const leader = await cluster.leader();
    await eventually('the instance that waits', 10_000, async () => {
      const metrics = await scrape(leader);
      return metrics.get('muster_cluster_instances_pending') === 1 && metrics;
    });
    const all = await Promise.all(cluster.nodes.map(async (node) => scrape(node)));
    const seen = new Set(
      all.flatMap((metrics) => [...metrics.keys()].map((key) => key.replace(/(_count)?(\{.*)?$/, ''))),
    );
    const hasValue = (name: FamilyName) => seen.has(name) || ofCertificates.test(name);
    const missing = (Object.keys(families) as FamilyName[]).filter((name) => !hasValue(name));
    assert.deepEqual(missing, []);
    const sum = (name: string) => all.reduce((total, metrics) => total + (metrics.get(name) ?? 0), 0);
    assert.equal(sum('muster_leader'), 1);
    assert.equal(sum('muster_node_state{state="joined"}'), 3);
    assert.equal(sum('muster_instances{phase="running"}'), 1);
    assert.equal(sum('muster_cluster_nodes{state="up"}'), 3, 'the leader alone tells of the cluster');
    assert.equal(sum('muster_cluster_workloads{desired="run"}'), 2);
    assert.equal(sum('muster_cluster_workloads{desired="stop"}'), 1);
    assert.equal(sum('muster_cluster_workloads_healthy'), 1);
    await eventually('a lease renewed lately', 10_000, async () => {
      const age = (await scrape(leader)).get('muster_lease_age_seconds') ?? Number.NaN;
      if (age >= 0 && age < cluster.ttlMs / 2_000) return true;
      throw new Error(`a lease renewed ${age} s ago`);
    });
  });

  scenario('an agent is alive whatever is away, and ready only when nothing is', async (cluster) => {
    const [node] = cluster.nodes;
    assert.ok(node);
    for (const each of cluster.nodes) {
      assert.deepEqual(JSON.parse((await get(each, '/healthz')).text) as HealthAnswer, { alive: true });
      await eventually(`${each.name} ready`, 10_000, async () => (await get(each, '/readyz')).status === 200);
    }
    await node.run(['systemctl', 'stop', 'docker.socket', 'docker.service']);
    try {
      const { text } = await eventually('docker missed', 20_000, async () => {
        const answer = await get(node, '/readyz');
        return answer.status === 503 && answer;
      });
      const failed = (JSON.parse(text) as ReadyAnswer).checks.filter(({ passed }) => !passed);
      assert.deepEqual(
        failed.map(({ name }) => name),
        ['runtimes'],
      );
      assert.match(failed[0]?.text ?? '', /docker/);
      assert.equal((await scrape(node)).get('muster_runtime_up{runtime="docker"}'), 0);
      assert.equal((await get(node, '/healthz')).status, 200);
    } finally {
      await node.run(['systemctl', 'start', 'docker']);
    }
    await eventually('ready again', 20_000, async () => (await get(node, '/readyz')).status === 200);
  });
});
