import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceRow } from '../../../src/wire/answers.ts';
import type { Client } from '../../../src/wire/client.ts';
import { eventually } from '../../support/eventually.ts';
import { type FakeTerminalOptions, makeFakeTerminal, makeRow, notFound } from '../../unit/cli/fake-terminal.ts';

/** An agent whose instances a test changes; each change is told to whoever follows. */
class ChangingAgent {
  rows: readonly InstanceRow[] = [makeRow()];
  reads = 0;
  failure: AgentError | undefined;
  #tell = () => {};
  readonly client: Partial<Client> = {
    instances: () => {
      this.reads += 1;
      return this.failure === undefined
        ? Promise.resolve({ rows: this.rows, problems: [] })
        : Promise.reject(this.failure);
    },
    watchChanges: (signal) => this.#changes(signal),
  };

  change(rows: readonly InstanceRow[]): void {
    this.rows = rows;
    this.#tell();
  }

  async *#changes(signal: AbortSignal): AsyncGenerator<object> {
    for (;;) {
      yield {};
      await new Promise<void>((resolve, reject) => {
        this.#tell = resolve;
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    }
  }
}

const reason = new Error('told to end');

function start(agent: ChangingAgent, argv: readonly string[], options: FakeTerminalOptions = {}) {
  const terminal = makeFakeTerminal({ client: agent.client, ...options });
  const ended = assert.rejects(terminal.run(...argv), reason);
  const see = async (what: string, text: string) =>
    eventually(what, 2_000, async () => {
      await terminal.clock.advance(100);
      return terminal.stdout().includes(text);
    });
  const end = async () => {
    terminal.abort(reason);
    await ended;
  };
  return { terminal, see, end };
}

test('--watch shows a listing again after a change, and asks the agent for nothing without one', async () => {
  const agent = new ChangingAgent();
  const { terminal, see, end } = start(agent, ['ps', '--watch']);
  await see('the first state', 'web.0');
  await terminal.clock.advance(60_000);
  assert.equal(agent.reads, 1);
  agent.change([makeRow({ phase: 'failed', reason: 'exit code 3' })]);
  await see('the change', 'exit code 3');
  assert.equal(agent.reads, 2);
  assert.equal(terminal.stdout().match(/INSTANCE/g)?.length, 2, 'once more below, off a terminal');
  assert.ok(!terminal.stdout().includes('\u001b'));
  await end();
});

test('--watch redraws a terminal in place with ages that grow, and gives it back as it was', async () => {
  const agent = new ChangingAgent();
  const { terminal, see, end } = start(agent, ['ps', '--watch'], { columns: 80 });
  await see('the first state', 'web.0');
  assert.ok(terminal.stdout().startsWith('\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[H'));
  await see('an age that has grown', '35s');
  assert.equal(agent.reads, 1);
  await end();
  const [, after] = terminal.stdout().split('\u001b[?7h\u001b[?25h\u001b[?1049l');
  assert.match(after ?? '', /web\.0/, 'what was shown last stays');
});

test('--watch shows no more lines than the terminal has', async () => {
  const agent = new ChangingAgent();
  agent.rows = Array.from({ length: 40 }, (_, slot) => makeRow({ slot: String(slot) as InstanceRow['slot'] }));
  const { terminal, see, end } = start(agent, ['ps', '--watch'], { columns: 80 });
  await see('what is left out', '… 18 more lines');
  assert.equal(terminal.stdout().split('\r\n').length, 24);
  await end();
});

test('--watch --json prints each state on a line of its own', async () => {
  const agent = new ChangingAgent();
  const { terminal, see, end } = start(agent, ['ps', '--watch', '--json']);
  await see('the first state', 'web.0');
  agent.change([makeRow({ display: 'web.9' })]);
  await see('the change', 'web.9');
  const states = terminal.stdout().trimEnd().split('\n');
  assert.deepEqual(
    states.map((line) => (JSON.parse(line) as { apiVersion: string; rows: InstanceRow[] }).rows[0]?.display),
    ['web.0', 'web.9'],
  );
  await end();
});

test('--watch goes on while the agent is away, and looks again every two seconds when it cannot be told of changes', async () => {
  const agent = new ChangingAgent();
  agent.failure = new AgentError('UNAVAILABLE', 'Cannot reach the agent');
  const watchChanges: Client['watchChanges'] = () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new AgentError('UNAVAILABLE', 'Cannot reach the agent')),
    }),
  });
  const { see, end } = start(agent, ['ps', '--watch'], { client: { ...agent.client, watchChanges }, columns: 80 });
  await see('why there is nothing to show', 'Cannot reach the agent');
  agent.failure = undefined;
  await see('the instances', 'web.0');
  await end();
});

test('--watch ends at once for what cannot be found, and is refused where a command changes something', async () => {
  const client = { ...new ChangingAgent().client, instances: notFound, workloads: notFound, explain: notFound };
  const terminal = makeFakeTerminal({ client });
  assert.equal(await terminal.run('ps', 'nobody', '--watch'), 1);
  assert.equal(await terminal.run('stop', 'web', '--watch'), 2);
  assert.match(terminal.stderr(), /Cannot use option "--watch" with "muster stop"/);
});
