import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { NodeStateAnswer } from '../../../src/wire/answers.ts';
import type { Client } from '../../../src/wire/client.ts';
import { makeFakeTerminal, node1 } from './fake-terminal.ts';

const state = (joined: boolean): NodeStateAnswer => ({
  node: node1.id,
  hostname: 'node1',
  cluster: 'demo',
  version: '0.1.0',
  joined,
  leader: false,
  status: joined ? 'joined' : 'joining: cannot reach etcd',
});

/** Each watch takes the next of these: states, then an error or a hang until the abort. */
function makeWatchNode(...turns: readonly (readonly (NodeStateAnswer | Error)[])[]): Client['watchNode'] {
  const left = [...turns];
  return async function* (signal) {
    for (const each of left.shift() ?? []) {
      if (each instanceof Error) throw each;
      yield await Promise.resolve(each);
    }
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  };
}

test('muster wait --joined ends with 0 once the node has joined, through an agent that is not there yet', async () => {
  const away = new AgentError('UNAVAILABLE', 'Cannot reach the agent');
  const terminal = makeFakeTerminal({
    client: { watchNode: makeWatchNode([away], [state(false), away], [state(true)]) },
  });
  const code = terminal.run('wait', '--joined');
  await terminal.clock.advance(1_000);
  assert.equal(await code, 0);
  assert.equal(terminal.stdout(), 'node1 has joined cluster demo\n');
  assert.equal(terminal.clock.pendingTimers, 0);
});

test('muster wait --joined ends with 3 after its timeout and says what the agent is doing', async () => {
  const terminal = makeFakeTerminal({ client: { watchNode: makeWatchNode([state(false)]) } });
  const code = terminal.run('wait', '--joined', '--timeout', '5s', '--json');
  await terminal.clock.advance(5_001);
  assert.equal(await code, 3);
  assert.match(terminal.stderr(), /join within 5\.0 s: joining: cannot reach etcd/);
  assert.equal((JSON.parse(terminal.stdout()) as { joined: boolean }).joined, false);
});
