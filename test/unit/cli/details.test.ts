import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANYWHERE } from '../../../src/domain/document.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import type { ExplainAnswer, InstanceDetail, NodeAnswer, WorkloadAnswer } from '../../../src/wire/answers.ts';
import { makeFakeTerminal, makeRow, makeSummary, makeWorkloadRow, node1, node2, notFound } from './fake-terminal.ts';

const name = 'redis' as WorkloadName;
const row = makeRow({
  workload: name,
  display: 'redis.0',
  phase: 'lost',
  healthy: false,
  exitCode: 1,
  lastError: 'killed',
});
const detail: InstanceDetail = {
  key: 'redis/0' as InstanceKey,
  display: 'redis.0',
  phase: 'pending',
  reason: 'it waits for node1, where its volume is',
  waitsFor: 'node1 to return',
  nodes: [{ node: node2, reason: 'the volume "redis-data" is on node1' }],
  rows: [row],
  moves: [{ at: '2026-01-01T00:00:00Z', to: node1.id, reason: 'first placement' }],
};
const explained: ExplainAnswer = {
  name,
  desired: 'run',
  removing: false,
  summary: makeSummary({ converged: false, blocked: true, healthy: 0 }),
  instances: [detail, { ...detail, key: 'redis/1' as InstanceKey, display: 'redis.1' }],
  problems: [],
};
const workload: WorkloadAnswer = {
  name,
  workload: {
    spec: 3,
    scale: { kind: 'replicas', replicas: 1 },
    desired: 'run',
    placement: { ...ANYWHERE, labels: [{ key: 'zone', values: ['a', 'b'] }] },
    disconnect: { mode: 'keep' },
    moveOrder: 'stop-first',
    sticky: true,
    needs: { runtime: 'systemd', memoryBytes: 0, cpus: 0, ports: [], volumes: [] },
    createdAt: '2025-12-31T23:00:00Z',
    changedAt: '2025-12-31T23:50:00Z',
  },
  spec: { number: 3, hash: 'h', run: { kind: 'unit', text: '[Service]\nExecStart=/bin/true \u001b[2J\n' } },
  specs: [2, 3],
  summary: makeSummary({ converged: false, problems: [{ instance: 'redis.0', phase: 'failed', text: 'exit code 1' }] }),
  instances: [detail],
  problems: ['one spec cannot be read'],
};
const missing = { workload: notFound, instances: notFound, inspectNode: notFound, explain: notFound };
const workloads = () => Promise.resolve({ workloads: [makeWorkloadRow({ name })], problems: [] });
const instances = () => Promise.resolve({ rows: [row], problems: [] });

test('muster inspect shows what becomes of an instance whose node is lost, or on which it keeps failing', async () => {
  const policies = {
    disconnect: { mode: 'keep', replaceAfterMs: 600_000, onReturn: 'longest-running' },
    offlineStart: true,
    reschedule: { afterRestarts: 2, delayMs: 30_000, maxDelayMs: 3_600_000 },
  } as const;
  const answer = { ...workload, workload: { ...workload.workload, ...policies } };
  const terminal = makeFakeTerminal({ client: { workload: () => Promise.resolve(answer) } });
  await terminal.run('inspect', name);
  const shown = terminal.stdout();
  assert.match(
    shown,
    /Disconnect: +keep, replaced 10m after its node is lost, on return longest-running, starts offline/,
  );
  assert.match(shown, /Reschedule: +after 2 failed restarts, then 30s to 1h apart/);
});

test('muster inspect shows a workload with its spec, its state and what is in the way', async () => {
  const terminal = makeFakeTerminal({ client: { workload: () => Promise.resolve(workload) } });
  assert.equal(await terminal.run('inspect', 'redis'), 0);
  const shown = terminal.stdout();
  for (const part of [
    /Desired: +run, 1 replica\n/,
    /Placement: +zone is a or b/,
    /ExecStart=\/bin\/true +\[2J\n/,
    /redis\.0 failed: exit code 1/,
    /^redis\.0 +node1 +lost/m,
  ]) {
    assert.match(shown, part);
  }
  assert.ok(!shown.includes('\u001b'), 'a spec cannot reach the terminal');
  assert.match(terminal.stderr(), /warning: one spec cannot be read/);
});

test('muster inspect shows an instance when there is no workload of that name', async () => {
  const client = { ...missing, instances, explain: () => Promise.resolve(explained) };
  const terminal = makeFakeTerminal({ client });
  assert.equal(await terminal.run('inspect', 'redis.0'), 0);
  assert.match(
    terminal.stdout(),
    /Instance: +redis\.0[\s\S]*Copy on: +node1 \(11111111\), current[\s\S]*Last error: +killed[\s\S]*first placement/,
  );
  const json = makeFakeTerminal({ client });
  await json.run('inspect', 'redis.0', '--json');
  assert.deepEqual(JSON.parse(json.stdout()), {
    apiVersion: 'v1',
    kind: 'instance',
    workload: name,
    instance: detail,
    problems: [],
  });
});

test('muster inspect shows a node when there is neither', async () => {
  const answer: NodeAnswer = {
    node: {
      ...node1,
      state: 'up',
      leader: true,
      cordoned: false,
      draining: false,
      advertise: '10.0.0.1',
      addresses: [],
      labels: {},
      capacity: { cpus: 2, memoryBytes: 512 },
      runtimes: { systemd: '252', docker: '20.10' },
      agentVersion: '0.1.0',
      machineId: 'a',
      bootId: 'b',
      instances: 1,
    },
    rows: [row],
    problems: [],
  };
  const terminal = makeFakeTerminal({ client: { ...missing, inspectNode: () => Promise.resolve(answer) } });
  assert.equal(await terminal.run('inspect', 'node1'), 0);
  assert.match(terminal.stdout(), /State: +up, leads[\s\S]*Runtimes: +docker 20\.10, systemd 252[\s\S]*redis\.0/);
});

for (const command of ['inspect', 'explain', 'logs']) {
  test(`muster ${command} suggests the near name for one that does not exist`, async () => {
    const terminal = makeFakeTerminal({ client: { ...missing, workloads } });
    assert.equal(await terminal.run(command, 'rdeis'), 1);
    assert.match(terminal.stderr(), /^muster: Cannot find "rdeis": expected .* \(did you mean "redis"\?\)\n/);
  });
}

test('muster explain says why each node cannot take it, and only of the instance asked for', async () => {
  const explain = (asked: string) => (asked === 'redis' ? Promise.resolve(explained) : notFound());
  const terminal = makeFakeTerminal({ client: { instances, explain } });
  assert.equal(await terminal.run('explain', 'redis.0'), 0);
  const shown = terminal.stdout();
  assert.match(
    shown,
    /^redis: run, 0 of 1 healthy, stuck\n\nredis\.0: pending: it waits for node1, where its volume is\n/,
  );
  assert.match(shown, /waits for: node1 to return/);
  assert.match(shown, /^node2 +the volume "redis-data" is on node1$/m);
  assert.ok(!shown.includes('redis.1'));
  const whole = makeFakeTerminal({ client: { explain } });
  await whole.run('explain', 'redis');
  assert.match(whole.stdout(), /^redis\.1: pending/m);
});

test('muster inspect suggests a node or an instance where one of those was meant', async () => {
  const client = {
    ...missing,
    workloads,
    instances: ({ name }: { readonly name?: string }) =>
      name === undefined ? Promise.resolve({ rows: [row], problems: [] }) : notFound(),
    nodes: () => Promise.resolve({ nodes: [{ ...node1 } as NodeAnswer['node']], problems: [] }),
  };
  for (const [typed, meant] of [
    ['ndoe1', 'node1'],
    ['rdeis.0', 'redis.0'],
  ] as const) {
    const terminal = makeFakeTerminal({ client });
    assert.equal(await terminal.run('inspect', typed), 1);
    assert.ok(terminal.stderr().includes(`(did you mean "${meant}"?)`), terminal.stderr());
  }
});
