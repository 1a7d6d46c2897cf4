import { errorCodeOf, errorText } from '../../domain/errors.ts';
import type { NodeStateAnswer } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { durationOption, formatSeconds } from '../durations.ts';
import { pause } from '../follow-rollout.ts';
import { Misuse } from '../misuse.ts';
import { printJson } from '../print-answer.ts';
import { printable } from '../table.ts';

/** An agent that isn't there yet is asked again so often. */
const askAgainMs = 250;

/** `muster wait --joined`: for units and scripts that need the cluster. */
export const wait = makeCommand({
  path: 'wait',
  summary: 'Wait until this node has joined its cluster',
  details: [
    'The agent counts as started before it has joined, so that a boot does not hang on etcd. What needs the cluster runs this before it.',
  ],
  args: [],
  options: {
    joined: { type: 'boolean', help: 'Until the agent of this node has joined' },
    timeout: { type: 'string', short: 't', value: 'DURATION', help: 'How long to wait (1m); then exit 3' },
  },
  examples: [{ line: 'muster wait --joined --timeout 2m', does: 'exit 0 once joined, 3 if not within two minutes' }],
  async run(context, { flag, value }) {
    if (!flag('joined')) throw new Misuse('Cannot wait: expected what to wait for', 'muster wait --joined');
    const timeoutMs = durationOption('--timeout', value('timeout') ?? '1m');
    const over = new AbortController();
    const cancel = context.clock.after(timeoutMs, () => over.abort());
    const beganMs = context.clock.monotonicMs();
    const seen = await untilJoined(context, AbortSignal.any([context.signal, over.signal])).finally(cancel);
    context.signal.throwIfAborted();
    return report(context, seen, context.clock.monotonicMs() - beganMs);
  },
});

interface Seen {
  readonly state: NodeStateAnswer | undefined;
  /** Why the agent could not be asked. */
  readonly trouble: string | undefined;
}

async function untilJoined(context: Context, signal: AbortSignal): Promise<Seen> {
  const client = await context.client();
  let seen: Seen = { state: undefined, trouble: undefined };
  while (!signal.aborted) {
    try {
      for await (const state of client.watchNode(signal)) {
        seen = { state, trouble: undefined };
        if (state.joined) return seen;
      }
    } catch (error) {
      if (signal.aborted) break;
      if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
      seen = { state: undefined, trouble: errorText(error) };
    }
    await pause(context, askAgainMs, signal);
  }
  return seen;
}

function report(context: Context, { state, trouble }: Seen, tookMs: number): number {
  if (context.json) printJson(context, { joined: state?.joined === true, node: state ?? null });
  if (state?.joined === true) {
    if (!context.json) context.stdout.write(`${state.hostname} has joined cluster ${state.cluster}\n`);
    return exitCodes.done;
  }
  const why = printable(trouble ?? state?.status ?? 'the agent has said nothing yet');
  context.stderr.write(`muster: Cannot see this node join within ${formatSeconds(tookMs)}: ${why}\n`);
  return exitCodes.notConverged;
}
