import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { lastBeatMs, nowMs, type Run, readRuns } from '../../lab/checker/run-log.ts';
import { TokenStore } from '../../lab/checker/token-store.ts';
import { eventually } from '../../support/eventually.ts';

const program = join(import.meta.dirname, '../../lab/checker/beat.pl');

suite('work that notes when it runs', () => {
  let folder: string;
  let store: TokenStore;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-beat-'));
    await mkdir(join(folder, 'runs'));
    store = await TokenStore.open(folder);
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  function begin(instance: string, args: readonly string[]): ChildProcess {
    const env = { MUSTER_INSTANCE: instance, MUSTER_NODE: 'n1', MUSTER_FENCING_TOKEN: '281474976710657' };
    return spawn('perl', [program, ...args], { env: { ...env, BEAT_FOLDER: folder }, stdio: 'inherit' });
  }

  async function runOf(instance: string): Promise<Run | undefined> {
    return (await readRuns(folder)).find((run) => run.instance === instance);
  }

  test('it beats on the clock of this process, and writes its token to the store', async () => {
    const child = begin('web.0', ['stop', '0']);
    const run = await eventually('three beats', 5_000, async () => {
      const found = await runOf('web.0');
      return found !== undefined && lastBeatMs(found) - (found.stretches[0]?.fromMs ?? 0) > 150 ? found : undefined;
    });
    assert.ok(Math.abs(nowMs() - lastBeatMs(run)) < 5_000);
    assert.deepEqual([run.mode, run.node, run.token, run.ended], ['stop', 'n1', '281474976710657', false]);
    await eventually('a write', 5_000, () =>
      store.writes.some(({ instance, accepted }) => instance === 'web.0' && accepted),
    );
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const killed = await runOf('web.0');
    assert.equal(killed?.ended, false, 'who is killed notes no end');
  });

  test('told to end, it runs on for as long as it was given, and notes its end', async () => {
    const child = begin('slow.0', ['stop', '300']);
    await eventually('a beat', 5_000, async () => (await runOf('slow.0')) !== undefined);
    const toldMs = nowMs();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = (await ended) as [number];
    const run = await runOf('slow.0');
    assert.equal(code, 0);
    assert.equal(run?.ended, true);
    assert.ok(
      run !== undefined && lastBeatMs(run) - toldMs >= 250,
      `${run === undefined ? '' : lastBeatMs(run) - toldMs}`,
    );
  });

  test('a stop in its tracks is a gap', async () => {
    const child = begin('gap.0', ['stop', '0']);
    await eventually('a beat', 5_000, async () => (await runOf('gap.0')) !== undefined);
    child.kill('SIGSTOP');
    const stoppedMs = nowMs();
    await eventually('a while', 5_000, () => nowMs() - stoppedMs > 600);
    child.kill('SIGCONT');
    await eventually('a second stretch', 5_000, async () => ((await runOf('gap.0'))?.stretches.length ?? 0) >= 2);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  });
});
