import { FakeClock, settle } from '../../support/fake-clock.ts';
import type { MemoryKv } from '../../support/memory-kv.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { type KvHarness, kvContract } from './suite.ts';

function memoryHarness(): KvHarness {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const clients: MemoryKv[] = [];
  const all = (act: (client: MemoryKv) => void) => {
    for (const client of clients) act(client);
  };
  return {
    open: () => {
      const client = store.client();
      clients.push(client);
      return client;
    },
    compact: async (revision) => store.compact(revision),
    breakConnections: () => {
      all((client) => client.cutOff());
      all((client) => client.reconnect());
    },
    cutOff: () => all((client) => client.cutOff()),
    reconnect: () => all((client) => client.setFaults({ unreachable: 'no', loseReplies: 0 })),
    loseAnswers: () => all((client) => client.setFaults({ loseReplies: 1 })),
    until: async (what, limitMs, condition) => {
      for (let passedMs = 0; !(await condition()); passedMs += 50) {
        if (passedMs > limitMs) throw new Error(`Cannot await "${what}": not within ${limitMs} ms`);
        await clock.advance(50);
      }
    },
    soon: (promise) => advanceUntilSettled(clock, promise),
  };
}

async function advanceUntilSettled<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const seen = promise.finally(() => {
    isSettled = true;
  });
  seen.catch(() => {});
  for (let n = 0; n < 1_000 && !isSettled; n += 1) {
    await settle();
    if (!isSettled) await clock.advance(50);
  }
  return seen;
}

kvContract('memory', memoryHarness);
