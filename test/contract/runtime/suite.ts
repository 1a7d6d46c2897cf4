import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { RunSpec } from '../../../src/domain/spec.ts';
import type { ObservedInstance } from '../../../src/domain/status.ts';
import type { ExecSession, LogLine, LogLines, Runtime, StartOrder } from '../../../src/runtime/port.ts';
import { eventually } from '../../support/eventually.ts';

/** What the suite needs of one kind of runtime; each adapter's test supplies it. */
export interface RuntimeHarness {
  /** A new Runtime object over the same daemon, as after an agent's restart. The suite closes it. */
  open(cluster: 'ours' | 'other'): Promise<Runtime>;
  /** The key of the copy `slot` of a workload whose name is derived from `stem` (`web` → `web.service`, …). */
  key(stem: string): InstanceKey;
  /** Runs until it's told to stop, then ends at once. Equal variants are equal specs. */
  sleeping(variant?: number): RunSpec;
  /** Runs until it's killed: it ignores the polite signal; its grace is 2 s or less. */
  stubborn(): RunSpec;
  /** Ends by itself at once with this exit code. */
  failing(exitCode: number): RunSpec;
  /** Can't be executed at all. */
  unstartable(): RunSpec;
  /** Prints the lines on stdout, then sleeps. */
  printing(lines: readonly string[]): RunSpec;
  /** Prints the value of the environment variable on stdout, then sleeps. */
  printingVariable(name: string): RunSpec;
  /** Kills the instance's process behind the runtime's back (SIGKILL). */
  kill(key: InstanceKey): Promise<void>;
  /** Makes what the host itself would have under the instance's name; `isUntouched` tells whether it is as it was made. */
  makeForeign(key: InstanceKey): Promise<{ isUntouched(): Promise<boolean>; remove(): Promise<void> }>;
  close(): Promise<void>;
}

interface Bench {
  readonly harness: RuntimeHarness;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

type Case = readonly [title: string, run: (bench: Bench) => Promise<void>];

/** How long anything in the suite may take to become visible. */
const WITHIN_MS = 15_000;

const ignore = () => {};

function order(key: InstanceKey, run: RunSpec, over: Partial<StartOrder> = {}): StartOrder {
  return { key, run, specHash: 'hash-1', disconnect: 'keep', assignmentRevision: 7, environment: {}, ...over };
}

async function find(runtime: Runtime, key: InstanceKey, signal: AbortSignal): Promise<ObservedInstance | undefined> {
  const found = (await runtime.observe(signal)).filter((instance) => instance.key === key);
  assert.ok(found.length <= 1, `observed ${found.length} instances of ${key}`);
  return found[0];
}

/** The instance, once it's in one of the phases. */
async function seen(
  { runtime, signal }: Bench,
  key: InstanceKey,
  ...phases: readonly ObservedInstance['phase'][]
): Promise<ObservedInstance> {
  return eventually(`${key} ${phases.join(' or ')}`, WITHIN_MS, async () => {
    const instance = await find(runtime, key, signal);
    assert.ok(instance !== undefined, `${key} is not observed`);
    assert.ok(
      phases.includes(instance.phase),
      `${key} is ${instance.phase} (${instance.error}), not ${phases.join(' or ')}`,
    );
    return instance;
  });
}

async function started(bench: Bench, stem: string, over: Partial<StartOrder> = {}): Promise<InstanceKey> {
  const key = bench.harness.key(stem);
  await bench.runtime.start(order(key, bench.harness.sleeping(), over), ignore, bench.signal);
  return key;
}

async function away(bench: Bench, ...keys: readonly InstanceKey[]): Promise<void> {
  await Promise.all(
    keys.map(async (key) => {
      await bench.runtime.stop(key, bench.signal);
      await bench.runtime.remove(key, bench.signal);
    }),
  );
}

const hasCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Error);
  assert.equal((error as Error & { code?: string }).code, code, `${error.name}: ${error.message}`);
  return true;
};

const cases: readonly Case[] = [
  [
    'has a version, and observes nothing at first',
    async ({ runtime, signal }) => {
      assert.match((await runtime.version(signal)) ?? '', /^\d+/);
      assert.deepEqual(await runtime.observe(signal), []);
    },
  ],
  [
    'runs what it starts, and shows hash, disconnect mode, process and times',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('life');
      const phases: string[] = [];
      const run = order(key, harness.sleeping(), { specHash: 'abc', disconnect: 'stop' });
      await runtime.start(run, ({ phase }) => phases.push(phase), signal);
      const instance = await seen(bench, key, 'running');
      assert.equal(instance.specHash, 'abc');
      assert.equal(instance.disconnect, 'stop');
      assert.equal(instance.health, 'none');
      assert.equal(instance.everStarted, true);
      assert.ok((instance.pid ?? 0) > 1, 'has a pid');
      assert.ok(!Number.isNaN(Date.parse(instance.startedAt ?? '')), `startedAt is ${instance.startedAt}`);
      assert.ok(instance.runningForMs >= 0 && instance.runningForMs < 60_000, `${instance.runningForMs}`);
      assert.equal(instance.finishedAt, undefined);
      assert.deepEqual([...new Set(phases)].at(-1), 'starting');
      await away(bench, key);
    },
  ],
  [
    'counts how long an instance has been running',
    async (bench) => {
      const key = await started(bench, 'age');
      await eventually('an age of 300 ms', WITHIN_MS, async () => {
        return ((await find(bench.runtime, key, bench.signal))?.runningForMs ?? 0) >= 300;
      });
      await away(bench, key);
    },
  ],
  [
    'takes a second start of the same as done',
    async (bench) => {
      const key = await started(bench, 'twice');
      const before = await seen(bench, key, 'running');
      await started(bench, 'twice');
      const after = await seen(bench, key, 'running');
      assert.equal(after.pid, before.pid);
      await away(bench, key);
    },
  ],
  [
    'makes one instance of two starts at once',
    async (bench) => {
      const [key] = await Promise.all([started(bench, 'pair'), started(bench, 'pair')]);
      await seen(bench, key, 'running');
      await away(bench, key);
    },
  ],
  [
    'refuses to start another hash over an instance, and leaves it alone',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = await started(bench, 'hash');
      const before = await seen(bench, key, 'running');
      const other = order(key, harness.sleeping(2), { specHash: 'hash-2' });
      await assert.rejects(runtime.start(other, ignore, signal), hasCode('CONFLICT'));
      const after = await seen(bench, key, 'running');
      assert.deepEqual([after.pid, after.specHash], [before.pid, 'hash-1']);
      await away(bench, key);
      await runtime.start(other, ignore, signal);
      assert.equal((await seen(bench, key, 'running')).specHash, 'hash-2');
      await away(bench, key);
    },
  ],
  [
    'stops, keeps the end observable, and takes a second stop as done',
    async (bench) => {
      const key = await started(bench, 'stop');
      await seen(bench, key, 'running');
      await bench.runtime.stop(key, bench.signal);
      const ended = await find(bench.runtime, key, bench.signal);
      assert.equal(ended?.phase, 'stopped');
      assert.equal(ended.runningForMs, 0);
      assert.ok(!Number.isNaN(Date.parse(ended.finishedAt ?? '')), `finishedAt is ${ended.finishedAt}`);
      await bench.runtime.stop(key, bench.signal);
      assert.equal((await find(bench.runtime, key, bench.signal))?.phase, 'stopped');
      await bench.runtime.remove(key, bench.signal);
      assert.equal(await find(bench.runtime, key, bench.signal), undefined);
    },
  ],
  [
    'starts what was stopped again, as the new order says',
    async (bench) => {
      const key = await started(bench, 'again');
      const before = await seen(bench, key, 'running');
      await bench.runtime.stop(key, bench.signal);
      await started(bench, 'again', { disconnect: 'stop', assignmentRevision: 9 });
      const after = await seen(bench, key, 'running');
      assert.notEqual(after.pid, before.pid);
      assert.equal(after.disconnect, 'stop');
      await away(bench, key);
    },
  ],
  [
    'kills what ignores the polite signal once its grace is over',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('stubborn');
      await runtime.start(order(key, harness.stubborn()), ignore, signal);
      await seen(bench, key, 'running');
      await runtime.stop(key, signal);
      const ended = await find(runtime, key, signal);
      assert.ok(ended?.phase === 'stopped' || ended?.phase === 'failed', `phase is ${ended?.phase}`);
      await runtime.remove(key, signal);
    },
  ],
  [
    'refuses to remove what runs, and takes the removal of nothing as done',
    async (bench) => {
      const key = await started(bench, 'remove');
      await assert.rejects(bench.runtime.remove(key, bench.signal), hasCode('CONFLICT'));
      await seen(bench, key, 'running');
      await away(bench, key);
      await bench.runtime.remove(key, bench.signal);
    },
  ],
  [
    'takes stop and remove of the unknown as done, and has no logs of it',
    async ({ harness, runtime, signal }) => {
      const key = harness.key('unknown');
      await runtime.stop(key, signal);
      await runtime.remove(key, signal);
      await assert.rejects(collect(runtime.logs(key, { follow: false }, signal)), hasCode('NOT_FOUND'));
    },
  ],
  [
    'shows an instance that fails at once, with its exit code',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('fails');
      await runtime.start(order(key, harness.failing(3)), ignore, signal).catch(hasCode('INTERNAL'));
      const ended = await seen(bench, key, 'failed');
      assert.equal(ended.exitCode, 3);
      assert.equal(ended.runningForMs, 0);
      await away(bench, key);
    },
  ],
  [
    'shows an instance that cannot be executed as failed, with the reason',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('unstartable');
      await runtime.start(order(key, harness.unstartable()), ignore, signal).catch(hasCode('INTERNAL'));
      const ended = await seen(bench, key, 'failed');
      assert.ok((ended.error ?? '').length > 0, 'has a reason');
      await away(bench, key);
    },
  ],
  [
    'tells of an instance that dies by itself',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      await watched(runtime, signal, async (changes) => {
        const key = await started(bench, 'dies');
        await seen(bench, key, 'running');
        const before = changes();
        await harness.kill(key);
        await eventually('a change told', WITHIN_MS, () => changes() > before);
        const ended = await seen(bench, key, 'failed');
        assert.ok((ended.error ?? '').length > 0, 'has a reason');
        await away(bench, key);
      });
    },
  ],
  [
    'tells of a change when it begins to watch, and ends when told to',
    async ({ runtime, signal }) => {
      await watched(runtime, signal, async (changes) => {
        await eventually('a change told', WITHIN_MS, () => changes() > 0);
      });
    },
  ],
  [
    'adopts what an earlier Runtime object started, and disturbs nothing by closing',
    async (bench) => {
      const { harness, signal } = bench;
      const key = harness.key('adopted');
      const earlier = await harness.open('ours');
      const run = order(key, harness.sleeping(), { disconnect: 'stop' });
      await earlier.start(run, ignore, signal);
      const before = await seen({ ...bench, runtime: earlier }, key, 'running');
      earlier.close();
      const later = await harness.open('ours');
      const after = await seen({ ...bench, runtime: later }, key, 'running');
      assert.deepEqual(
        [after.pid, after.container?.id, after.startedAt, after.specHash, after.disconnect],
        [before.pid, before.container?.id, before.startedAt, 'hash-1', 'stop'],
      );
      await later.start(run, ignore, signal);
      assert.equal((await seen({ ...bench, runtime: later }, key, 'running')).pid, before.pid);
      await away({ ...bench, runtime: later }, key);
      later.close();
    },
  ],
  [
    'never touches what the host itself has under the name',
    async ({ harness, runtime, signal }) => {
      const key = harness.key('foreign');
      const foreign = await harness.makeForeign(key);
      try {
        await assert.rejects(runtime.start(order(key, harness.sleeping()), ignore, signal), hasCode('CONFLICT'));
        assert.equal(await find(runtime, key, signal), undefined);
        await runtime.stop(key, signal).catch(hasCode('CONFLICT'));
        await runtime.remove(key, signal).catch(hasCode('CONFLICT'));
        assert.ok(await foreign.isUntouched(), 'it was touched');
      } finally {
        await foreign.remove();
      }
    },
  ],
  [
    'neither sees nor touches what another cluster owns',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const other = { ...bench, runtime: await harness.open('other') };
      const key = await started(other, 'theirs');
      const before = await seen(other, key, 'running');
      assert.equal(await find(runtime, key, signal), undefined);
      await assert.rejects(runtime.start(order(key, harness.sleeping()), ignore, signal), hasCode('CONFLICT'));
      await runtime.stop(key, signal).catch(hasCode('CONFLICT'));
      await runtime.remove(key, signal).catch(hasCode('CONFLICT'));
      await assert.rejects(collect(runtime.logs(key, { follow: false }, signal)), hasCode('NOT_FOUND'));
      assert.equal((await seen(other, key, 'running')).pid, before.pid);
      await away(other, key);
      other.runtime.close();
    },
  ],
  [
    'starts ten at once',
    async (bench) => {
      const stems = Array.from({ length: 10 }, (_, index) => `ten-${index}`);
      const keys = await Promise.all(stems.map(async (stem) => started(bench, stem)));
      const running = (await bench.runtime.observe(bench.signal)).filter(({ phase }) => phase === 'running');
      assert.deepEqual(running.map(({ key }) => key).sort(), [...keys].sort());
      assert.equal(new Set(running.map(({ pid }) => pid)).size, 10);
      await away(bench, ...keys);
    },
  ],
  [
    'gives the order’s environment to the instance',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('environment');
      const environment = { MUSTER_FENCING_TOKEN: '42' };
      await runtime.start(
        order(key, harness.printingVariable('MUSTER_FENCING_TOKEN'), { environment }),
        ignore,
        signal,
      );
      await eventually('the variable printed', WITHIN_MS, async () => {
        assert.deepEqual(texts(await collect(runtime.logs(key, { follow: false }, signal))), ['42']);
        return true;
      });
      await away(bench, key);
    },
  ],
  [
    'gives all lines, the last ones, and the coming ones',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('logs');
      await runtime.start(order(key, harness.printing(['one', 'two', 'three'])), ignore, signal);
      await eventually('three lines', WITHIN_MS, async () => {
        const all = await collect(runtime.logs(key, { follow: false }, signal));
        assert.deepEqual(texts(all), ['one', 'two', 'three']);
        assert.ok(
          all.every(({ at }) => !Number.isNaN(Date.parse(at))),
          'every line has its time',
        );
        return true;
      });
      const all = await collect(runtime.logs(key, { follow: false }, signal));
      assert.deepEqual(texts(await collect(runtime.logs(key, { tail: 2, follow: false }, signal))), ['two', 'three']);
      await sinceIsHeeded(bench, key, all);
      await followsUntilAborted(bench, key);
      await away(bench, key);
    },
  ],
  [
    'runs a command beside an instance: its output by stream, its exit code, and no input unless it is given',
    async (bench) => {
      const { runtime, signal } = bench;
      const key = await started(bench, 'exec');
      await seen(bench, key, 'running');
      const shell = (script: string, input = false) =>
        runtime.exec(key, { command: ['sh', '-c', script], input }, signal);
      const talks = await ran(await shell('echo out; echo err >&2; cat; exit 3'));
      assert.deepEqual(talks, { stdout: 'out\n', stderr: 'err\n', code: 3 });
      assert.equal((await ran(await shell('kill -9 $$'))).code, 137);
      const big = await ran(await shell('head -c 3000000 /dev/zero'));
      assert.equal(big.stdout.length, 3_000_000);
      const unknown = await ran(await runtime.exec(key, { command: ['no-such-program'], input: false }, signal));
      assert.ok([126, 127].includes(unknown.code), `exit code ${unknown.code}`);
      await away(bench, key);
    },
  ],
  [
    'gives a command its input, to the end of it',
    async (bench) => {
      const key = await started(bench, 'exec-input');
      await seen(bench, key, 'running');
      const session = await bench.runtime.exec(key, { command: ['wc', '-c'], input: true }, bench.signal);
      const ending = ran(session);
      for (let count = 0; count < 40; count += 1) await session.write(Buffer.alloc(50_000, 'x'));
      session.endInput();
      assert.deepEqual(await ending, { stdout: '2000000\n', stderr: '', code: 0 });
      await away(bench, key);
    },
  ],
  [
    'gives a command a terminal of a size, which can change',
    async (bench) => {
      const key = await started(bench, 'exec-tty');
      await seen(bench, key, 'running');
      const script = 'read one; stty size; echo "$TERM"; read two; stty size; exit 4';
      const terminal = { columns: 90, rows: 33, type: 'vt220' };
      const session = await bench.runtime.exec(
        key,
        { command: ['sh', '-c', script], terminal, input: true },
        bench.signal,
      );
      const texts: string[] = [];
      const reading = (async () => {
        for await (const { data } of session.output) texts.push(Buffer.from(data).toString());
      })();
      await session.write(Buffer.from('go\n'));
      await eventually('the first size', WITHIN_MS, () => texts.join('').includes('33 90\r\nvt220\r\n'));
      await session.resize({ columns: 120, rows: 50 });
      await session.write(Buffer.from('go\n'));
      await reading;
      assert.match(texts.join(''), /50 120\r\n$/);
      assert.equal(await session.exitCode(), 4);
      await session.close();
      await away(bench, key);
    },
  ],
  [
    'ends a command when its session is closed',
    async (bench) => {
      const key = await started(bench, 'exec-close');
      await seen(bench, key, 'running');
      const mark = `begun-${process.pid}`; // the fake's commands are this machine's, beside those of another runtime's suite
      for (const terminal of [undefined, { columns: 80, rows: 24, type: 'xterm' }]) {
        const script = `trap "" TERM HUP; echo ${mark}; while :; do sleep 0.1; done`;
        const command = ['sh', '-c', script];
        const order = { command, input: true, ...(terminal === undefined ? {} : { terminal }) };
        const session = await bench.runtime.exec(key, order, bench.signal);
        const reading = session.output[Symbol.asyncIterator]();
        const first = await reading.next();
        assert.ok(
          Buffer.from(first.value?.data ?? [])
            .toString()
            .includes(mark),
        );
        await session.close();
      }
      assert.equal((await seen(bench, key, 'running')).phase, 'running', 'the instance itself goes on');
      const others = await ran(
        await bench.runtime.exec(
          key,
          { command: ['sh', '-c', 'ps -ef 2>/dev/null || ps'], input: false },
          bench.signal,
        ),
      );
      assert.ok(!others.stdout.includes(`echo ${mark}; while`), others.stdout);
      await away(bench, key);
    },
  ],
  [
    'runs no command beside what is not there, or does not run',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const order = { command: ['true'], input: false };
      await assert.rejects(runtime.exec(harness.key('unknown'), order, signal), hasCode('NOT_FOUND'));
      const key = await started(bench, 'exec-stopped');
      await seen(bench, key, 'running');
      await runtime.stop(key, signal);
      await assert.rejects(runtime.exec(key, order, signal), hasCode('CONFLICT'));
      await runtime.remove(key, signal);
    },
  ],
  [
    'tells what an instance that runs uses',
    async (bench) => {
      const key = await started(bench, 'usage');
      await seen(bench, key, 'running');
      const usage = await eventually('the usage', WITHIN_MS, async () =>
        (await bench.runtime.usage(bench.signal)).find((each) => each.key === key && (each.memoryBytes ?? 0) > 0),
      );
      assert.ok((usage.memoryBytes ?? 0) < 1e9 && (usage.memoryBytes ?? 0) > 10_000, `${usage.memoryBytes} bytes`);
      await bench.runtime.stop(key, bench.signal);
      assert.deepEqual(await bench.runtime.usage(bench.signal), []);
      await bench.runtime.remove(key, bench.signal);
    },
  ],
  [
    'gives up a start on abort, with the reason, and can start again',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('abort-start');
      await rejectsOnAbort((abort) => runtime.start(order(key, harness.sleeping()), ignore, abort));
      await runtime.start(order(key, harness.sleeping()), ignore, signal);
      await seen(bench, key, 'running');
      await away(bench, key);
    },
  ],
  [
    'leaves nothing running when an aborted start is followed by a stop',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('abort-then-stop');
      await rejectsOnAbort((abort) => runtime.start(order(key, harness.sleeping()), ignore, abort));
      await runtime.stop(key, signal);
      const left = await find(runtime, key, signal);
      assert.ok(left === undefined || left.phase === 'stopped', `phase is ${left?.phase}`);
      await runtime.remove(key, signal);
      assert.equal(await find(runtime, key, signal), undefined);
    },
  ],
  [
    'gives up waiting for a stop on abort, with the reason, and can stop again',
    async (bench) => {
      const { harness, runtime, signal } = bench;
      const key = harness.key('abort-stop');
      await runtime.start(order(key, harness.stubborn()), ignore, signal);
      await seen(bench, key, 'running');
      await rejectsOnAbort((abort) => runtime.stop(key, abort));
      await runtime.stop(key, signal);
      const ended = await find(runtime, key, signal);
      assert.ok(ended?.phase === 'stopped' || ended?.phase === 'failed', `phase is ${ended?.phase}`);
      await runtime.remove(key, signal);
    },
  ],
  [
    'throws the reason of a signal that has already been aborted',
    async ({ harness, runtime }) => {
      const reason = new Error('told to end');
      const signal = AbortSignal.abort(reason);
      const key = harness.key('aborted');
      const isReason = (error: unknown) => error === reason;
      await assert.rejects(runtime.observe(signal), isReason);
      await assert.rejects(runtime.start(order(key, harness.sleeping()), ignore, signal), isReason);
      await assert.rejects(runtime.stop(key, signal), isReason);
      await assert.rejects(runtime.remove(key, signal), isReason);
    },
  ],
];

function texts(lines: readonly LogLine[]): string[] {
  return lines.map(({ text }) => text);
}

async function collect(batches: AsyncIterable<LogLines>): Promise<LogLine[]> {
  return (await Array.fromAsync(batches)).flatMap((lines) => [...lines]);
}

/** Runs `work` while the runtime is watched; `changes` tells how often a change was told so far. */
async function watched(
  runtime: Runtime,
  signal: AbortSignal,
  work: (changes: () => number) => Promise<void>,
): Promise<void> {
  const end = new AbortController();
  const onAbort = () => end.abort(signal.reason);
  signal.addEventListener('abort', onAbort);
  let changes = 0;
  const running = runtime.run(() => {
    changes += 1;
  }, end.signal);
  try {
    await eventually('the watch begun', WITHIN_MS, () => changes > 0);
    await work(() => changes);
  } finally {
    end.abort();
    signal.removeEventListener('abort', onAbort);
    await running;
  }
}

/** A command to its end. */
async function ran(session: ExecSession): Promise<{ stdout: string; stderr: string; code: number }> {
  const texts = { stdout: '', stderr: '' };
  for await (const { stream, data } of session.output) texts[stream] += Buffer.from(data).toString();
  const code = await session.exitCode();
  await session.close();
  return { ...texts, code };
}

/** From the time of a line on, that line is the first; a time to come has none. Lines of one time can't be told apart. */
async function sinceIsHeeded({ runtime, signal }: Bench, key: InstanceKey, all: readonly LogLine[]): Promise<void> {
  const last = all.at(-1)?.at ?? '';
  const expected = texts(all.filter(({ at }) => at >= last));
  assert.deepEqual(texts(await collect(runtime.logs(key, { since: last, follow: false }, signal))), expected);
  const later = { since: '2999-01-01T00:00:00Z', follow: false };
  assert.deepEqual(await collect(runtime.logs(key, later, signal)), []);
}

/** Begins, aborts shortly after, and expects exactly the abort's reason. */
async function rejectsOnAbort(begin: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const reason = new Error('wanted no more');
  const abort = new AbortController();
  const ending = begin(abort.signal);
  setImmediate(() => abort.abort(reason));
  await assert.rejects(ending, (error) => error === reason);
}

async function followsUntilAborted({ runtime }: Bench, key: InstanceKey): Promise<void> {
  const reason = new Error('read enough');
  const abort = new AbortController();
  const got: string[] = [];
  const following = (async () => {
    for await (const lines of runtime.logs(key, { tail: 1, follow: true }, abort.signal)) {
      got.push(...texts([...lines]));
      abort.abort(reason);
    }
  })();
  await assert.rejects(following, (error) => error === reason);
  assert.deepEqual(got, ['three']);
}

/** Every promise of the Runtime port, checked on one implementation. `open` returns why not where the machine lacks a service. */
export function runtimeContract(name: string, open: () => Promise<RuntimeHarness | { readonly lacks: string }>): void {
  test(`runtime ${name}`, { timeout: 180_000 }, async (context: TestContext) => {
    const harness = await open();
    if ('lacks' in harness) {
      context.skip(`this machine lacks ${harness.lacks}`);
      return;
    }
    const runtime = await harness.open('ours');
    try {
      for (const [title, run] of cases) {
        await context.test(title, { timeout: 40_000 }, async ({ signal }) => run({ harness, runtime, signal }));
      }
    } finally {
      runtime.close();
      await harness.close();
    }
  });
}
