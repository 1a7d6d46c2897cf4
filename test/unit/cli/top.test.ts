import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rates } from '../../../src/cli/rates.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey, Slot } from '../../../src/domain/ids.ts';
import type { NodeStatsAnswer, StatsAnswer } from '../../../src/wire/stats-answers.ts';
import { makeFakeTerminal, makeRow, node1, node2 } from './fake-terminal.ts';

const key = (slot: number) => `web/${slot}` as InstanceKey;

function node(over: Partial<NodeStatsAnswer> = {}): NodeStatsAnswer {
  const machine = { cpus: 2, cpuMs: 10_000, memoryBytes: 2 ** 30, memoryTotalBytes: 4 * 2 ** 30, load: 0.5 };
  return { node: node1, clockMs: 50_000, ...machine, instances: [], problems: [], ...over };
}

function answer(...nodes: StatsAnswer['nodes']): StatsAnswer {
  const rows = [0, 1].map((slot) => makeRow({ slot: String(slot) as Slot, restarts: slot * 7, phase: 'running' }));
  return { nodes, rows, problems: [] };
}

const before = answer(
  node({
    instances: [
      { key: key(0), cpuMs: 100, memoryBytes: 50 * 2 ** 20 },
      { key: key(1), cpuMs: 5_000, memoryBytes: 10 * 2 ** 20 },
    ],
  }),
);
const after = answer(
  node({
    clockMs: 52_000,
    cpuMs: 11_000,
    instances: [
      { key: key(0), cpuMs: 3_100, memoryBytes: 50 * 2 ** 20 },
      { key: key(1), cpuMs: 200, memoryBytes: 100 * 2 ** 20 },
    ],
  }),
  { node: node2, problem: 'Cannot reach node2' },
);

test('rates() are what was used between two answers, and unknown where counting began anew', () => {
  const seen = rates(before, after);
  assert.deepEqual(
    seen.nodes.map(({ hostname, cpuShare, instances, problem }) => [hostname, cpuShare, instances, problem]),
    [
      ['node1', 0.25, 2, undefined],
      ['node2', undefined, 0, 'Cannot reach node2'],
    ],
  );
  assert.deepEqual(
    seen.instances.map(({ instance, cpuShare, memoryBytes }) => [instance, cpuShare, (memoryBytes ?? 0) / 2 ** 20]),
    [
      ['web.0', 1.5, 50],
      ['web.1', undefined, 100],
    ],
  );
  assert.ok(rates(undefined, after).instances.every(({ cpuShare }) => cpuShare === undefined));
  assert.ok(
    rates(after, after).nodes.every(({ cpuShare }) => cpuShare === undefined),
    'no time has passed',
  );
});

/** Runs `top` to its end, with the clock going on. */
async function runTop(...argv: readonly string[]) {
  const answers = [before, after];
  const terminal = makeFakeTerminal({ client: { stats: () => Promise.resolve(answers.shift() ?? after) } });
  const code = terminal.run('top', ...argv);
  await terminal.clock.advance(1_000);
  return { code: await code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test('muster top --once looks for a second and shows nodes and instances, most first', async () => {
  const { code, stdout } = await runTop('--once');
  assert.equal(code, 0);
  assert.match(stdout, /^node1 +25\.0% +2 +0\.50 +1\.0 GiB +4\.0 GiB +2$/m);
  assert.match(stdout, /^node2 .*Cannot reach node2$/m);
  assert.match(stdout, /CPU▼/);
  assert.match(stdout, /web\.0 +node1 +running +150\.0% +50\.0 MiB +0\n(.*)web\.1 +node1 +running +- +100 MiB +7/s);
});

test('muster top sorts by what is asked for, off a terminal without --once too', async () => {
  for (const sort of ['memory', 'restarts']) {
    const { stdout } = await runTop('--sort', sort);
    assert.ok(stdout.indexOf('web.1') < stdout.indexOf('web.0'), stdout);
  }
  const { stdout } = await runTop('--sort', 'name');
  assert.ok(stdout.indexOf('web.0') < stdout.indexOf('web.1'), stdout);
  assert.equal((await runTop('--sort', 'beauty')).code, 2);
});

test('muster top goes on where the agent has too many who ask, with what was seen last', async () => {
  const busy = new AgentError('LIMIT', 'Cannot answer so many requests: expected at most 16 at once');
  const answers = [() => Promise.resolve(before), () => Promise.reject(busy), () => Promise.resolve(after)];
  let asked = 0;
  const stats = async () => {
    asked += 1;
    return (answers.shift() ?? (async () => Promise.resolve(after)))();
  };
  const terminal = makeFakeTerminal({ client: { stats }, columns: 120, keys: true });
  const ended = assert.rejects(terminal.run('top', '--no-color'), /enough/);
  await terminal.clock.advance(1_500);
  assert.equal(asked, 2);
  await terminal.clock.advance(1_500);
  assert.equal(asked, 3);
  assert.match(terminal.stdout(), /web\.0 +node1 +running +150\.0%/, 'since what was seen before');
  terminal.abort(new Error('enough'));
  await terminal.clock.advance(1_500);
  await ended;
  const first = makeFakeTerminal({ client: { stats: () => Promise.reject(busy) }, columns: 120, keys: true });
  assert.equal(await first.run('top'), 1);
});

test('muster top ends on q and Ctrl-C also while the agent does not answer', { timeout: 5_000 }, async () => {
  for (const [key, code] of [
    ['q', 0],
    ['\u0003', 130],
  ] as const) {
    for (const answers of [[], [before]]) {
      const typed = Promise.withResolvers<string>();
      const stats = (_: unknown, signal: AbortSignal) => {
        const seen = answers.shift();
        if (seen !== undefined) return Promise.resolve(seen);
        typed.resolve(key);
        return new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        });
      };
      const terminal = makeFakeTerminal({ client: { stats }, columns: 120, keys: true, stdin: typed.promise });
      const ended = terminal.run('top');
      await terminal.clock.advance(1_500);
      assert.equal(await ended, code);
      assert.equal(terminal.stderr(), '');
    }
  }
});

test('muster top hands its filters to the API, each time', async () => {
  const given: unknown[] = [];
  const stats = (filter: unknown) => {
    given.push(filter);
    return Promise.resolve(given.length === 1 ? before : after);
  };
  const terminal = makeFakeTerminal({ client: { stats } });
  const code = terminal.run('top', '--once', '-l', 'zone=a', '-n', 'node1', '--phase', 'running');
  await terminal.clock.advance(1_000);
  assert.equal(await code, 0);
  const filter = { label: ['zone=a'], node: 'node1', phase: ['running'] };
  assert.deepEqual(given, [filter, filter]);
});

test('muster top --json gives shares and bytes', async () => {
  const { stdout } = await runTop('--json');
  const { instances, nodes } = JSON.parse(stdout) as { instances: { cpuShare?: number }[]; nodes: object[] };
  assert.deepEqual([instances[0]?.cpuShare, nodes.length], [1.5, 2]);
});
