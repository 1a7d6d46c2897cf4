import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus, BusCall, BusSignal } from '../../../../src/bus/port.ts';
import { AgentError } from '../../../../src/domain/errors.ts';
import { JobWaiter } from '../../../../src/runtime/systemd/job-waiter.ts';
import { SystemdManager } from '../../../../src/runtime/systemd/systemd-manager.ts';
import { FakeClock, settle } from '../../../support/fake-clock.ts';

const never = new AbortController().signal;

/** A bus whose jobs end when the test says so. */
class JobBus implements Bus {
  readonly jobs = new Set<string>();
  asked = 0;
  #handler: (signal: BusSignal) => void = () => {};
  #lost = () => {};

  async call({ member, path }: BusCall): Promise<readonly unknown[]> {
    assert.equal(member, 'Get');
    this.asked += 1;
    if (this.jobs.has(path)) return ['running'];
    const cause = Object.assign(new Error('gone'), { busName: 'org.freedesktop.DBus.Error.UnknownObject' });
    throw new AgentError('INTERNAL', 'Cannot call "Get": gone', { cause });
  }

  subscribe(_match: unknown, handler: (signal: BusSignal) => void): () => void {
    this.#handler = handler;
    return () => {};
  }

  onConnect(): () => void {
    return () => {};
  }

  onDisconnect(handler: () => void): () => void {
    this.#lost = handler;
    return () => {};
  }

  close(): void {}

  end(job: string, result: string): void {
    this.jobs.delete(job);
    const of = { path: '/org/freedesktop/systemd1', interface: 'org.freedesktop.systemd1.Manager' };
    this.#handler({ ...of, member: 'JobRemoved', body: [1, job, 'a.service', result] });
  }

  lose(): void {
    this.#lost();
  }
}

function waiter() {
  const bus = new JobBus();
  const clock = new FakeClock();
  const jobs = new JobWaiter(bus, new SystemdManager(bus), clock);
  const begin = (path: string) => async () => {
    bus.jobs.add(path);
    return path;
  };
  return { bus, clock, jobs, begin };
}

test('a job ends with systemd’s word for it', async () => {
  const { bus, jobs, begin } = waiter();
  const ended = jobs.run(begin('/job/1'), never);
  await settle();
  bus.end('/job/2', 'done');
  bus.end('/job/1', 'failed');
  assert.equal(await ended, 'failed');
});

test('a job that ended before the call that made it was answered has ended all the same', async () => {
  const { bus, jobs } = waiter();
  const early = async () => {
    bus.end('/job/1', 'done');
    return '/job/1';
  };
  assert.equal(await jobs.run(early, never), 'done');
});

test('an end that nobody waits for is not kept for a later job of the same number', async () => {
  const { bus, jobs, begin } = waiter();
  bus.end('/job/1', 'failed');
  const ended = jobs.run(begin('/job/1'), never);
  await settle();
  bus.end('/job/1', 'done');
  assert.equal(await ended, 'done');
});

test('no job is no end', async () => {
  const { jobs } = waiter();
  assert.equal(await jobs.run(async () => undefined, never), undefined);
});

test('two may wait for one job', async () => {
  const { bus, jobs, begin } = waiter();
  const both = [jobs.run(begin('/job/1'), never), jobs.run(begin('/job/1'), never)];
  await settle();
  bus.end('/job/1', 'done');
  assert.deepEqual(await Promise.all(both), ['done', 'done']);
});

test('an abort gives up the wait with its reason', async () => {
  const { jobs, begin } = waiter();
  const abort = new AbortController();
  const reason = new Error('wanted no more');
  const ended = assert.rejects(jobs.run(begin('/job/1'), abort.signal), (error) => error === reason);
  await settle();
  abort.abort(reason);
  await ended;
});

test('a lost bus ends every wait', async () => {
  const { bus, jobs, begin } = waiter();
  const ended = assert.rejects(jobs.run(begin('/job/1'), never), { code: 'UNAVAILABLE' });
  await settle();
  bus.lose();
  await ended;
});

test('an end that went unseen is found out', async () => {
  const { bus, clock, jobs, begin } = waiter();
  const ended = jobs.run(begin('/job/1'), never);
  await settle();
  await clock.advance(30_000);
  assert.equal(bus.asked, 1);
  bus.jobs.clear();
  await clock.advance(30_000);
  assert.equal(await ended, 'unknown');
});
