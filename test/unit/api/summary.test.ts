import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRows } from '../../../src/api/copy-rows.ts';
import { instanceDetails } from '../../../src/api/details.ts';
import { summarizeWorkload } from '../../../src/api/summary.ts';
import {
  assignmentCodec,
  instanceCodec,
  nodeRecordCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import { DesiredState } from '../../../src/cluster/desired-state.ts';
import { ANYWHERE } from '../../../src/domain/document.ts';
import { type InstanceKey, type NodeId, parseWorkloadName } from '../../../src/domain/ids.ts';
import type { Assignment, InstanceRecord, Workload } from '../../../src/domain/spec.ts';
import type { InstanceStatus } from '../../../src/domain/status.ts';
import { layout, node1, node2 } from './api-fixture.ts';

const at = '2026-01-01T00:00:00.000Z';

/** A cluster of two nodes, told as a table. */
class World {
  readonly state = new DesiredState(layout);
  #revision = 1;
  constructor(workload: Partial<Workload>, name = 'web') {
    for (const [id, hostname] of [
      [node1, 'node1'],
      [node2, 'node2'],
    ] as const) {
      const facts = {
        bootId: 'b',
        addresses: [],
        advertise: '10.0.0.1',
        labels: { zone: hostname },
        agentVersion: '1',
        formats: [1],
        at,
      };
      const record = {
        ...facts,
        machineId: id,
        hostname,
        capacity: { cpus: 1, memoryBytes: 1 },
        runtimes: { docker: '1', systemd: '1' },
      };
      this.put(layout.nodeRecord(id), nodeRecordCodec.encode(record));
      this.put(layout.presence(id), presenceCodec.encode({ nonce: 'n', bootId: 'b', ttlMs: 1, state: 'up' }));
    }
    const full: Workload = {
      spec: 5,
      scale: { kind: 'replicas', replicas: 1 },
      desired: 'run',
      placement: ANYWHERE,
      disconnect: { mode: 'keep' },
      moveOrder: 'start-first',
      sticky: false,
      needs: { runtime: 'docker', memoryBytes: 0, cpus: 0, ports: [], volumes: [] },
      createdAt: at,
      changedAt: at,
      ...workload,
    };
    this.put(layout.workload(parseWorkloadName(name)), workloadCodec.encode(full));
  }

  put(key: string, value: string): number {
    this.#revision += 1;
    this.state.learn({ key, value, createRevision: 1, modRevision: this.#revision, lease: '0' });
    return this.#revision;
  }

  lose(node: NodeId): this {
    this.#revision += 1;
    this.state.forget(layout.presence(node), this.#revision);
    return this;
  }

  record(key: string, record: Partial<InstanceRecord>): this {
    this.put(layout.instance(key as InstanceKey), instanceCodec.encode({ copies: [], moves: [], ...record }));
    return this;
  }

  copy(node: NodeId, key: string, status: Partial<InstanceStatus> | undefined, order: Partial<Assignment> = {}): this {
    const assignment = { order: 'run', spec: 5, disconnect: 'keep', reason: 'placed', at, ...order } as const;
    const revision = this.put(layout.assignment(node, key as InstanceKey), assignmentCodec.encode(assignment));
    if (status === undefined) return this;
    const base = {
      assignmentRevision: revision,
      spec: 5,
      phase: 'running',
      healthy: true,
      health: 'none',
      since: at,
      restarts: 0,
    } as const;
    this.put(layout.status(node, key as InstanceKey), statusCodec.encode({ ...base, ...status }));
    return this;
  }

  summary(name = 'web') {
    const workload = parseWorkloadName(name);
    return summarizeWorkload(this.state.workloads.get(workload)?.value, readRows(this.state, workload));
  }
}

const on = (...nodes: NodeId[]) => ({
  copies: nodes.map((node, nth) => ({ node, role: nth === 0 ? ('current' as const) : ('superseded' as const) })),
});
const pending = { pending: { since: at, reason: 'no node has room', nodes: { [node1]: 'port 80 is taken' } } };

const cases: [name: string, world: World, verdict: 'converged' | 'blocked' | 'under way', text?: RegExp][] = [
  [
    'a healthy current copy of the present spec',
    new World({}).record('web/0', on(node1)).copy(node1, 'web/0', {}),
    'converged',
  ],
  ['no record yet', new World({}), 'under way', /waits for the leader/],
  ['no node fits', new World({}).record('web/0', pending), 'blocked', /no node has room/],
  [
    'an order that is not answered yet',
    new World({}).record('web/0', on(node1)).copy(node1, 'web/0', undefined),
    'under way',
    /has not answered/,
  ],
  [
    'a pull',
    new World({})
      .record('web/0', on(node1))
      .copy(node1, 'web/0', { phase: 'pulling', healthy: false, progress: 'layer 1' }),
    'under way',
    /layer 1/,
  ],
  [
    'a start that failed',
    new World({})
      .record('web/0', on(node1))
      .copy(node1, 'web/0', { phase: 'failed', healthy: false, lastError: 'no such image' }),
    'blocked',
    /no such image/,
  ],
  [
    'an older spec that runs well',
    new World({}).record('web/0', on(node1)).copy(node1, 'web/0', { spec: 4 }, { spec: 4 }),
    'under way',
    /older spec/,
  ],
  [
    'running, not healthy yet',
    new World({}).record('web/0', on(node1)).copy(node1, 'web/0', { healthy: false }),
    'under way',
    /not healthy yet/,
  ],
  [
    'a health check that fails',
    new World({}).record('web/0', on(node1)).copy(node1, 'web/0', { healthy: false, health: 'unhealthy' }),
    'blocked',
    /health check/,
  ],
  [
    'one of two replicas',
    new World({ scale: { kind: 'replicas', replicas: 2 } }).record('web/0', on(node1)).copy(node1, 'web/0', {}),
    'under way',
  ],
  [
    'a replica too many',
    new World({})
      .record('web/0', on(node1))
      .copy(node1, 'web/0', {})
      .record('web/1', on(node1))
      .copy(node1, 'web/1', {}),
    'under way',
    /still running on node1/,
  ],
  [
    'a superseded copy on a node that is back',
    new World({})
      .record('web/0', on(node1, node2))
      .copy(node1, 'web/0', {})
      .copy(node2, 'web/0', {}, { superseded: true }),
    'under way',
    /older copy is still on node2/,
  ],
  [
    'a superseded copy on a node that is lost',
    new World({})
      .record('web/0', on(node1, node2))
      .copy(node1, 'web/0', {})
      .copy(node2, 'web/0', {}, { superseded: true })
      .lose(node2),
    'converged',
  ],
  [
    'the only copy on a node that is lost',
    new World({}).record('web/0', on(node1)).copy(node1, 'web/0', {}).lose(node1),
    'under way',
    /node1 is lost/,
  ],
  [
    'a sticky copy that waits for its node',
    new World({})
      .record('web/0', { ...on(node1), ...pending })
      .copy(node1, 'web/0', {})
      .lose(node1),
    'blocked',
    /node1 is lost: no node has room/,
  ],
  ['stopped, and nothing left', new World({ desired: 'stop' }).record('web/0', {}), 'converged'],
  [
    'stopped, and one still stopping',
    new World({ desired: 'stop' })
      .record('web/0', on(node1))
      .copy(node1, 'web/0', { assignmentRevision: 1 }, { order: 'stop' }),
    'under way',
    /still stopping/,
  ],
  [
    'stopped, and the rest on a lost node',
    new World({ desired: 'stop' }).record('web/0', on(node1)).copy(node1, 'web/0', {}).lose(node1),
    'converged',
  ],
  ['being removed, until its record is gone', new World({ removing: true }), 'under way'],
  ['no replicas wanted', new World({ scale: { kind: 'replicas', replicas: 0 } }), 'converged'],
];
for (const [name, world, verdict, text] of cases) {
  test(`a workload is ${verdict} with ${name}`, () => {
    const { converged, blocked, problems } = world.summary();
    assert.equal(converged ? 'converged' : blocked ? 'blocked' : 'under way', verdict);
    if (text !== undefined) assert.match(problems.map((problem) => problem.text).join('; '), text);
  });
}

test('a template counts its instances from 1, a plain unit is its one instance', () => {
  const template = new World({ scale: { kind: 'replicas', replicas: 2 } }, 'job@.service');
  const rows = readRows(template.state, parseWorkloadName('job@.service'));
  assert.deepEqual(
    rows.map(({ row }) => row.display),
    ['job@1.service', 'job@2.service'],
  );
});

test('a unit that has done its work and ended well is as desired; one that was never started is not', () => {
  const world = (status: Partial<InstanceStatus>, order: Partial<Assignment> = {}) =>
    new World({}, 'once.service')
      .record('once.service/0', on(node1))
      .copy(node1, 'once.service/0', { phase: 'stopped', healthy: false, ...status }, order);
  assert.equal(world({ startedAt: at, exitCode: 0 }).summary('once.service').converged, true);
  assert.equal(world({ startedAt: at, exitCode: 1 }).summary('once.service').converged, false);
  assert.equal(world({}).summary('once.service').converged, false);
  assert.equal(world({ startedAt: at }, { order: 'stop' }).summary('once.service').converged, false);
});

test('a global workload wants an instance on each node that matches, and says when none does', () => {
  const every = new World({ scale: { kind: 'global' } });
  assert.equal(every.summary().wanted, 2);
  const placement = { ...ANYWHERE, labels: [{ key: 'zone', values: ['node2'] }] };
  assert.equal(new World({ scale: { kind: 'global' }, placement }).summary().wanted, 1);
  const none = new World({ scale: { kind: 'global' } }).lose(node1).lose(node2).summary();
  assert.deepEqual([none.wanted, none.problems.length], [0, 1]);
});

test('an orphan is shown and holds up nothing', () => {
  const world = new World({}).record('web/0', on(node1)).copy(node1, 'web/0', {});
  const base = { assignmentRevision: 0, spec: 3, healthy: true, health: 'none', since: at, restarts: 0 } as const;
  world.put(layout.status(node2, 'web/0' as InstanceKey), statusCodec.encode({ ...base, phase: 'orphan' }));
  const rows = readRows(world.state, parseWorkloadName('web'));
  assert.deepEqual(
    rows.map(({ row }) => [row.node?.hostname, row.role, row.phase]),
    [
      ['node1', 'current', 'running'],
      ['node2', 'orphan', 'orphan'],
    ],
  );
  assert.equal(world.summary().converged, true);
});

test('a pending instance is explained node by node', () => {
  const world = new World({}).record('web/0', pending);
  const name = parseWorkloadName('web');
  const [detail] = instanceDetails(world.state, name, readRows(world.state, name));
  assert.equal(detail?.reason, 'no node has room');
  assert.equal(detail?.waitsFor, 'a node that can take it');
  assert.deepEqual(detail?.nodes, [{ node: { id: node1, hostname: 'node1' }, reason: 'port 80 is taken' }]);
});

test('news that come late or twice change nothing', () => {
  const world = new World({});
  const key = layout.workload(parseWorkloadName('web'));
  const old = { key, value: 'garbage', createRevision: 1, modRevision: 1, lease: '0' };
  world.state.learn(old);
  world.state.forget(key, 2);
  assert.equal(world.state.workloads.size, 1);
  assert.deepEqual(world.state.problems, []);
});
