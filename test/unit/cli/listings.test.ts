import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textWidth } from '../../../src/cli/text-width.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { Slot, WorkloadName } from '../../../src/domain/ids.ts';
import type { NodeRow } from '../../../src/wire/answers.ts';
import type { Client } from '../../../src/wire/client.ts';
import { settle } from '../../support/fake-clock.ts';
import { makeFakeTerminal, makeRow, makeSummary, makeWorkloadRow, node1, node2, notFound } from './fake-terminal.ts';

const rows = [
  makeRow({ slot: '10' as Slot, node: node2 }),
  makeRow({ slot: '2' as Slot, phase: 'pulling', healthy: false, progress: 'layer 2 of 5' }),
  makeRow({
    workload: 'a.service' as WorkloadName,
    display: 'a.service',
    phase: 'failed',
    lastError: 'exit code 3',
    restarts: 4,
  }),
];

test('muster ps lists by workload and by slot as a number, with ages and reasons', async () => {
  const terminal = makeFakeTerminal({
    client: { instances: () => Promise.resolve({ rows, problems: ['a record cannot be read'] }) },
  });
  assert.equal(await terminal.run('ps'), 0);
  const lines = terminal.stdout().split('\n');
  assert.match(lines[0] ?? '', /^INSTANCE +NODE +PHASE +HEALTH +FOR +RESTARTS +PORTS +WHY$/);
  assert.match(lines[1] ?? '', /^a\.service +node1 +failed +- +30s +4 +exit code 3$/);
  assert.match(lines[2] ?? '', /^web\.2 +node1 +pulling +- +30s +0 +layer 2 of 5$/);
  assert.match(lines[3] ?? '', /^web\.10 +node2 +running +ok +30s +0$/);
  assert.equal(terminal.stderr(), 'muster: warning: a record cannot be read\n');
});

test('muster ps asks for one workload or one name', async () => {
  const asked: unknown[] = [];
  const instances = (filter: unknown) => {
    asked.push(filter);
    return Promise.resolve({ rows: [], problems: [] });
  };
  const terminal = makeFakeTerminal({ client: { instances } });
  await terminal.run('ps', 'web.0');
  await terminal.run('ps', '-w', 'web');
  assert.deepEqual(asked, [{ name: 'web.0' }, { workload: 'web' }]);
  assert.match(terminal.stdout(), /^No instances\./);
});

test('muster ps never writes beyond the width of the terminal', async () => {
  const long = [makeRow({ phase: 'failed', reason: 'x'.repeat(300) })];
  const terminal = makeFakeTerminal({
    client: { instances: () => Promise.resolve({ rows: long, problems: [] }) },
    columns: 70,
  });
  await terminal.run('ps', '--no-color');
  for (const line of terminal.stdout().trimEnd().split('\n')) assert.ok(line.length <= 70, line);
});

test('muster ps --json prints the answer itself, with the version of its shape', async () => {
  const answer = { rows, problems: [] };
  const terminal = makeFakeTerminal({ client: { instances: () => Promise.resolve(answer) } });
  await terminal.run('ps', '--json');
  assert.deepEqual(JSON.parse(terminal.stdout()), { apiVersion: 'v1', ...answer });
});

test('muster ls shows what is desired and the first thing in the way', async () => {
  const problems = [
    { instance: 'web.1', phase: 'pending' as const, text: 'no node has port 8080 free' },
    { instance: 'web.2', phase: 'pending' as const, text: 'the same' },
  ];
  const workloads = [
    makeWorkloadRow({ summary: makeSummary({ converged: false, blocked: true, wanted: 3, problems }) }),
    makeWorkloadRow({ name: 'all.service' as WorkloadName, kind: 'unit', scale: { kind: 'global' } }),
    makeWorkloadRow({ name: 'old' as WorkloadName, removing: true }),
  ];
  const terminal = makeFakeTerminal({ client: { workloads: () => Promise.resolve({ workloads, problems: [] }) } });
  assert.equal(await terminal.run('ls'), 0);
  const lines = terminal.stdout().split('\n');
  assert.match(lines[1] ?? '', /^all\.service +unit +run, global +1\/1 +1 +1h00m$/);
  assert.match(lines[2] ?? '', /^old +container +remove /);
  assert.match(
    lines[3] ?? '',
    /^web +container +run +1\/3 +1 +1h00m +web\.1: no node has port 8080 free \(and 1 more\)$/,
  );
});

const node: NodeRow = {
  ...node1,
  state: 'up',
  leader: true,
  cordoned: false,
  draining: false,
  advertise: '10.0.0.1',
  addresses: ['10.0.0.1'],
  labels: { zone: 'a', disk: 'ssd' },
  capacity: { cpus: 2, memoryBytes: 4 * 1024 ** 3 },
  runtimes: { systemd: '252' },
  agentVersion: '0.1.0',
  machineId: 'a'.repeat(32),
  bootId: 'b'.repeat(32),
  instances: 3,
};

test('muster node ls shows the leader, the lost with since when, and what is set', async () => {
  const lost: NodeRow = {
    ...node,
    ...node2,
    leader: false,
    state: 'lost',
    cordoned: true,
    lostSince: '2025-12-31T23:55:00.000Z',
  };
  const terminal = makeFakeTerminal({
    client: { nodes: () => Promise.resolve({ nodes: [lost, node], problems: [] }) },
  });
  assert.equal(await terminal.run('node', 'ls'), 0);
  const lines = terminal.stdout().split('\n');
  assert.match(lines[1] ?? '', /^node1 +11111111 +up +leader +10\.0\.0\.1 +3 +2 +4\.0 GiB +disk=ssd zone=a +0\.1\.0$/);
  assert.match(lines[2] ?? '', /^node2 +22222222 +lost, cordoned 5m00s +- /);
});

const listings: [argv: string[], asks: keyof Client, filter: object][] = [
  [
    ['ls', '--label', 'tier=db', '-l', 'zone=a', '--phase', 'failed', '--node', 'node2'],
    'workloads',
    { label: ['tier=db', 'zone=a'], phase: ['failed'], node: 'node2' },
  ],
  [
    ['ps', 'web', '-n', 'node2', '--phase', 'running', '--phase', 'starting'],
    'instances',
    { name: 'web', node: 'node2', phase: ['running', 'starting'] },
  ],
  [['node', 'ls', '-l', 'zone=a', '--phase', 'lost'], 'nodes', { label: ['zone=a'], phase: ['lost'] }],
];
for (const [argv, asks, filter] of listings) {
  test(`muster ${argv.join(' ')} hands its filters to the API, and says that nothing matches`, async () => {
    const asked: unknown[] = [];
    const answer = (given: unknown) => {
      asked.push(given);
      return Promise.resolve({ workloads: [], rows: [], nodes: [], problems: [] });
    };
    const terminal = makeFakeTerminal({ client: { [asks]: answer } });
    assert.equal(await terminal.run(...argv), 0);
    assert.deepEqual(asked, [filter]);
    assert.match(terminal.stdout(), /^No (workloads|instances|nodes) match\.\n$/);
  });
}

const wrong: [argv: string[], says: RegExp][] = [
  [['ps', '--phase', 'runing'], /expected one of pending.*\n {2}hint: did you mean running\?/],
  [['node', 'ls', '--phase', 'failed'], /expected one of up, leaving/],
  [['ls', '--label', 'zone'], /expected KEY=VALUE\n {2}hint: --label zone=VALUE/],
  [['ps', '--node', 'node1', '--node', 'node2'], /Cannot use --node "node2" too: expected one node/],
  [['top', '--phase', 'up'], /expected one of pending/],
  [['events', '--phase', 'pulling'], /expected one of pending, running, failed, stopped/],
  [['history', 'web', '--phase', 'failed', '--moves'], /a move has no phase/],
];
for (const [argv, says] of wrong) {
  test(`muster ${argv.join(' ')} is misuse`, async () => {
    const terminal = makeFakeTerminal();
    assert.equal(await terminal.run(...argv), 2);
    assert.match(terminal.stderr(), says);
  });
}

test('muster events and muster history hand their filters to the API, and say that nothing matches', async () => {
  const given: unknown[] = [];
  const terminal = makeFakeTerminal({
    client: {
      events: async function* (query) {
        await Promise.resolve(given.push(query));
        yield* [];
      },
      history: (name, filter) => {
        given.push([name, filter]);
        return Promise.resolve({ name: name as WorkloadName, entries: [], problems: [] });
      },
    },
  });
  const filters = ['-l', 'zone=a', '-n', 'node2', '--phase', 'failed', '--phase', 'stopped'];
  assert.equal(await terminal.run('events', 'web', ...filters), 0);
  assert.equal(await terminal.run('history', 'web', ...filters), 0);
  const filter = { label: ['zone=a'], node: 'node2', phase: ['failed', 'stopped'] };
  assert.deepEqual(given, [{ follow: false, since: '1h', about: 'web', ...filter }, ['web', filter]]);
  assert.equal(terminal.stdout(), 'Nothing that matches happened.\nNothing matches.\n');
});

test('muster events -f goes on where it began when the agent is back, also if nothing was told until then', async () => {
  const asked: unknown[] = [];
  const reasons = [new AgentError('UNAVAILABLE', 'the agent stops'), new AgentError('CONFLICT', 'enough')];
  const found = Promise.withResolvers<void>();
  const terminal = makeFakeTerminal({
    client: {
      watchChanges: async function* () {
        try {
          yield await Promise.resolve({});
          yield { revision: 41 };
        } finally {
          found.resolve();
        }
      },
      events: async function* (query) {
        asked.push(query);
        yield* [];
        await found.promise;
        throw reasons.shift() ?? new Error('asked too often');
      },
    },
  });
  const running = terminal.run('events', 'web', '-f');
  await found.promise;
  await settle();
  await terminal.clock.advanceUntil(() => asked.length > 1, 5_000);
  assert.equal(await running, 1);
  assert.deepEqual(asked, [
    { follow: true, about: 'web' },
    { follow: true, about: 'web', since: '41' },
  ]);
});

test('a listing of a node that does not exist suggests the near one, not another name', async () => {
  const refuse = () => Promise.reject(new AgentError('NOT_FOUND', 'Cannot find node "nod1"'));
  const nodes: Client['nodes'] = ({ node: asked }) =>
    asked === undefined ? Promise.resolve({ nodes: [node], problems: [] }) : refuse();
  const client: Partial<Client> = { nodes, workloads: refuse, instances: refuse, stats: refuse };
  for (const argv of [['ls'], ['ps'], ['ps', 'web'], ['node', 'ls'], ['top', '--once']]) {
    const terminal = makeFakeTerminal({ client });
    assert.equal(await terminal.run(...argv, '--node', 'nod1'), 1);
    assert.match(terminal.stderr(), /Cannot find "nod1": expected a node \(did you mean "node1"\?\)/, argv.join(' '));
  }
});

test('--quiet leaves the names alone, each once, also where there are none', async () => {
  const client: Partial<Client> = {
    instances: () => Promise.resolve({ rows: [...rows, ...rows], problems: [] }),
    workloads: () => Promise.resolve({ workloads: [makeWorkloadRow()], problems: [] }),
    nodes: () => Promise.resolve({ nodes: [], problems: [] }),
  };
  for (const [argv, expected] of [
    [['ps', '-q'], 'a.service\nweb.2\nweb.10\n'],
    [['ls', '--quiet'], 'web\n'],
    [['node', 'ls', '-q'], ''],
  ] as const) {
    const terminal = makeFakeTerminal({ client });
    assert.equal(await terminal.run(...argv), 0);
    assert.equal(terminal.stdout(), expected);
  }
});

test('--wide shows exact times where the machine is, --utc the same in UTC', async () => {
  const client: Partial<Client> = {
    instances: () => Promise.resolve({ rows: [makeRow()], problems: [] }),
    workloads: () => Promise.resolve({ workloads: [makeWorkloadRow()], problems: [] }),
  };
  for (const [argv, expected] of [
    [['ps', '--wide'], /^web\.0 +node1 +running +ok +30s +2026-01-01 00:59:30\+01:00 +0 +1 +-$/m],
    [['ps', '--utc'], /30s +2025-12-31 23:59:30Z/],
    [['ls', '--wide'], /1h00m +2026-01-01 00:00:00\+01:00 +2025-12-31 21:00:00\+01:00 +keep/],
  ] as const) {
    const terminal = makeFakeTerminal({ client });
    assert.equal(await terminal.run(...argv), 0);
    assert.match(terminal.stdout(), expected, argv.join(' '));
  }
});

test('muster ps suggests the near name for one that does not exist', async () => {
  const instances: Client['instances'] = ({ name }) =>
    name === undefined ? Promise.resolve({ rows, problems: [] }) : notFound();
  const terminal = makeFakeTerminal({
    client: { instances, workloads: () => Promise.resolve({ workloads: [], problems: [] }) },
  });
  assert.equal(await terminal.run('ps', 'a.servise'), 1);
  assert.match(
    terminal.stderr(),
    /Cannot find "a\.servise": expected a workload or an instance \(did you mean "a\.service"\?\)/,
  );
});

for (const columns of [40, 80, 200]) {
  test(`no listing writes beyond ${columns} columns, whatever is in it`, async () => {
    const text = 'ein sehr langer Grund 理由 '.repeat(9);
    const problems = [{ instance: 'web.1', phase: 'pending' as const, text }];
    const client: Partial<Client> = {
      instances: () =>
        Promise.resolve({ rows: [makeRow({ reason: text, ports: ['0.0.0.0:80->80/tcp'] })], problems: [] }),
      workloads: () =>
        Promise.resolve({ workloads: [makeWorkloadRow({ summary: makeSummary({ problems }) })], problems: [] }),
      nodes: () => Promise.resolve({ nodes: [{ ...node, labels: { note: 'x'.repeat(90) } }], problems: [] }),
    };
    for (const argv of [['ps'], ['ps', '--wide'], ['ls'], ['ls', '--utc'], ['node', 'ls'], ['node', 'ls', '--wide']]) {
      const terminal = makeFakeTerminal({ client, columns });
      assert.equal(await terminal.run(...argv, '--no-color'), 0);
      for (const line of terminal.stdout().trimEnd().split('\n'))
        assert.ok(textWidth(line) <= columns, `${argv.join(' ')}: ${line}`);
    }
  });
}
