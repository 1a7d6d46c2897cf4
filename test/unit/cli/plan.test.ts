import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffLines } from '../../../src/cli/line-diff.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import type { PlanAnswer, PlannedInstance, PlannedWorkload, PlanRequest } from '../../../src/wire/plan-answers.ts';
import { makeFakeTerminal, node1, node2 } from './fake-terminal.ts';

const web = 'web' as WorkloadName;

function makeInstance(over: Partial<PlannedInstance> = {}): PlannedInstance {
  const key = 'web/0' as InstanceKey;
  return {
    key,
    workload: web,
    instance: 'web.0',
    action: 'restart',
    from: node1,
    to: node1,
    reason: 'why',
    nodes: [],
    ...over,
  };
}

function makeWorkload(over: Partial<PlannedWorkload> = {}): PlannedWorkload {
  return { name: web, action: 'none', spec: 7, newSpec: false, fields: [], instances: [], ...over };
}

function makeAnswer(over: Partial<PlanAnswer> = {}): PlanAnswer {
  const empty = { others: [], warnings: [], problems: [] };
  return { revision: 9, changes: false, complete: true, workloads: [makeWorkload()], ...empty, ...over };
}

function makeTerminal(answer: PlanAnswer, asked: PlanRequest[] = []) {
  const plan = (request: PlanRequest) => {
    asked.push(request);
    return Promise.resolve(answer);
  };
  return makeFakeTerminal({ client: { plan }, stdin: '[Service]\nExecStart=/bin/true\n' });
}

test('muster plan exits 0 where nothing would change', async () => {
  const terminal = makeTerminal(makeAnswer());
  assert.equal(await terminal.run('plan', '-', '--name', 'web.service'), 0, terminal.stderr());
  assert.equal(terminal.stdout(), '  web: would not change\nnothing to change\n');
});

test('muster plan shows fields, instances, what waits and what others do, and exits 4', async () => {
  const fields = [
    { path: 'run.image', before: 'nginx:1', after: 'nginx:2' },
    { path: 'run.environment.LEVEL', after: 'debug' },
    { path: 'run.text', before: 'a\nb\nc\n', after: 'a\nB\nc\n' },
  ];
  const waits = makeInstance({
    instance: 'web.3',
    action: 'wait',
    reason: 'none of 2 nodes fits',
    nodes: [{ node: node2, reason: 'cordoned' }],
  });
  const instances = [makeInstance(), makeInstance({ instance: 'web.1', action: 'move', to: node2 }), waits];
  const workloads = [makeWorkload({ action: 'change', newSpec: true, fields, instances })];
  const others = [makeInstance({ instance: 'job.0', action: 'start' })];
  const asked: PlanRequest[] = [];
  const terminal = makeTerminal(makeAnswer({ changes: true, workloads, others }), asked);
  assert.equal(await terminal.run('plan', '--rm', 'old', '--rm', 'older'), 4, terminal.stderr());
  assert.deepEqual(asked, [{ documents: [], remove: ['old', 'older'] }]);
  assert.equal(
    terminal.stdout(),
    [
      '~ web: would change, spec 7 → 8',
      '    run.image: nginx:1 → nginx:2',
      '    run.environment.LEVEL: (none) → debug',
      '    run.text:',
      '        a',
      '      - b',
      '      + B',
      '        c',
      '    restarts web.0 on node1: why',
      '    moves    web.1 node1 → node2: why',
      '    waits    web.3: none of 2 nodes fits',
      '               node2: cordoned',
      '  others:',
      '    starts   job.0 on node1: why',
      '1 to change; 1 instance starts, 1 instance restarts, 1 instance moves, 1 instance waits',
      '',
    ].join('\n'),
  );
});

test('muster plan says what is refused, and exits 1', async () => {
  const problem = {
    type: 'about:blank',
    title: 'Not found',
    status: 404,
    detail: 'Cannot find workload "old"',
    code: 'NOT_FOUND',
  } as const;
  const terminal = makeTerminal(makeAnswer({ workloads: [{ problem }] }));
  assert.equal(await terminal.run('plan', '--rm', 'old'), 1);
  assert.match(terminal.stderr(), /Cannot find workload "old"/);
  assert.equal(await terminal.run('plan'), 2);
});

test('muster plan --json prints the answer', async () => {
  const terminal = makeTerminal(makeAnswer({ changes: true }));
  assert.equal(await terminal.run('plan', '--rm', 'old', '--json'), 4);
  assert.equal((JSON.parse(terminal.stdout()) as PlanAnswer).revision, 9);
});

test('a long list of instances is told in numbers', async () => {
  const instances = Array.from({ length: 100 }, (_, at) => makeInstance({ instance: `web.${at}` }));
  const terminal = makeTerminal(makeAnswer({ workloads: [makeWorkload({ action: 'change', instances })] }));
  await terminal.run('plan', '--rm', 'old');
  assert.match(terminal.stdout(), /web\.29 on node1[\s\S]*and 70 more: 100 instances restart in all\n/);
});

const diffs: [name: string, before: string, after: string, expected: string[]][] = [
  ['a line that is added', 'a\nb\n', 'a\nx\nb\n', [' a', '+x', ' b']],
  ['a line that goes', 'a\nb\nc', 'a\nc', [' a', '-b', ' c']],
  [
    'changes far apart, with what is near them',
    '1\n2\n3\n4\n5\n6\n7\n8',
    'x\n2\n3\n4\n5\n6\n7\ny',
    ['-1', '+x', ' 2', ' 3', ' …', ' 6', ' 7', '-8', '+y'],
  ],
];
for (const [name, before, after, expected] of diffs) {
  test(`diffLines() shows ${name}`, () => {
    assert.deepEqual(
      diffLines(before, after)?.map(({ mark, text }) => mark + text),
      expected,
    );
  });
}

test('diffLines() leaves texts alone that are too long to compare', () => {
  const long = 'x\n'.repeat(3_000);
  assert.equal(diffLines(long, `${long}y`), undefined);
});
