import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { candidateCodec, presenceCodec } from '../../../src/cluster/codecs.ts';
import type { LeaderKv } from '../../../src/cluster/commit-as-leader.ts';
import { Leader } from '../../../src/leader/leader.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { electionKey, LeaderFixture, layout, TTL_MS } from './leader-fixture.ts';

/** When a leader must not act: its process was frozen, or a node doubts the store. */

const fixtures: LeaderFixture[] = [];
const gates: (() => void)[] = [];
afterEach(async () => {
  for (const thaw of gates.splice(0)) thaw();
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

function make(...names: string[]): LeaderFixture {
  const fixture = new LeaderFixture(...names);
  fixtures.push(fixture);
  return fixture;
}

/** A store whose commits wait: what a process looks like that is frozen between plan and commit. */
function freezable(kv: LeaderKv): { readonly kv: LeaderKv; readonly freeze: () => void; readonly thaw: () => void } {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const frozen = Object.create(kv, {
    commit: {
      value: async (...args: Parameters<LeaderKv['commit']>) => {
        await gate.promise;
        return kv.commit(...args);
      },
    },
  }) as LeaderKv;
  const bound = new Proxy(frozen, {
    get: (_target, name) => {
      const own = name === 'commit' ? Reflect.get(frozen, name) : Reflect.get(kv, name);
      return typeof own === 'function' && name !== 'commit' ? own.bind(kv) : own;
    },
  });
  return {
    kv: bound,
    freeze: () => {
      gate = Promise.withResolvers<void>();
      gates.push(gate.resolve);
    },
    thaw: () => gate.resolve(),
  };
}

/** Another leader in a term of its own. */
async function leadNext({ store, clock }: LeaderFixture, signal: AbortSignal): Promise<void> {
  const next = `${layout.election}78`;
  store.commit({
    compares: [],
    writes: [{ put: next, value: candidateCodec.encode({ node: nodeId('b'), nonce: 'm' }) }],
  });
  const term = { electionKey: next, createRevision: store.get(next)?.createRevision ?? 0 };
  const kv = store.client('next');
  const leader = new Leader({ kv, layout, clock, log: silentLog, random: () => 0.5, ttlMs: TTL_MS });
  await leader.run({ term, predecessor: undefined }, signal);
}

test('Leader that was frozen for 60 s between plan and commit writes nothing once it is thawed', async () => {
  const fixture = make('a', 'b', 'c');
  const { kv, freeze, thaw } = freezable(fixture.kv);
  fixture.setWorkload('web', { replicas: 3 });
  fixture.lead({}, { kv });
  await fixture.settle();
  freeze();
  fixture.delete(layout.presence(nodeId('a')));
  fixture.setWorkload('late', { replicas: 3 });
  await fixture.clock.advance(1_100);
  // Its lease runs out; another candidate leads, and does what it has planned.
  fixture.delete(electionKey);
  const stop = new AbortController();
  const successor = leadNext(fixture, stop.signal);
  await fixture.clock.advance(60_000);
  assert.equal(fixture.orders().filter((order) => order.startsWith('late')).length, 3);
  const { revision } = fixture.store;
  thaw();
  await fixture.clock.advance(10_000);
  assert.equal(fixture.store.revision, revision, 'not a single write');
  assert.ok(fixture.failure instanceof Error);
  stop.abort();
  await successor;
});

test('Leader that was frozen while it wrote a hold leaves its successor’s word alone', async () => {
  const fixture = make('a', 'b', 'c');
  const { kv, freeze, thaw } = freezable(fixture.kv);
  fixture.setWorkload('web', { replicas: 3 });
  fixture.lead({}, { kv });
  await fixture.settle();
  freeze();
  for (const name of ['a', 'b']) fixture.delete(layout.presence(nodeId(name)));
  await fixture.clock.advance(1_500);
  fixture.delete(electionKey);
  const { revision } = fixture.store;
  await fixture.clock.advance(6 * TTL_MS);
  thaw();
  await fixture.clock.advance(10_000);
  assert.equal(fixture.store.revision, revision);
  assert.equal(fixture.hold, undefined);
});

test('Leader plans nothing while a node doubts the store, says so once, and goes on when none does', async () => {
  const fixture = make('a', 'b', 'c');
  fixture.setWorkload('web', { replicas: 3 });
  fixture.lead();
  await fixture.settle();
  const doubtful = {
    nonce: 'n',
    bootId: 'b',
    ttlMs: TTL_MS,
    state: 'in-doubt',
    doubt: 'its revision went back',
  } as const;
  fixture.put(layout.presence(nodeId('b')), presenceCodec, doubtful);
  fixture.setWorkload('late');
  fixture.delete(layout.presence(nodeId('a')));
  const { revision } = fixture.store;
  for (let second = 0; second < 60; second += 1) {
    await fixture.clock.advance(1_000);
    fixture.setSettings(nodeId('c'), { labels: { second: String(second) } });
  }
  assert.equal(fixture.store.revision, revision + 60, 'nothing was written but by the operator');
  const said = fixture.linesOf('nodes doubt the store: nothing is planned until none does');
  assert.deepEqual(said, [{ nodes: ['b: its revision went back'] }]);
  fixture.setPresence(nodeId('b'), 'up');
  await fixture.clock.advance(2_000);
  assert.equal(fixture.orders().filter((order) => order.startsWith('late')).length, 1);
  assert.ok(fixture.orders().includes('web/0 a run superseded'), fixture.orders().join());
});
