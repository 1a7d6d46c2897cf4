import { errorCodeOf } from '../../domain/errors.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { durationOption, formatSeconds } from '../durations.ts';
import { pause } from '../follow-rollout.ts';
import { askNode, nodeArgument } from '../on-node.ts';
import { printJson } from '../print-answer.ts';

/** The leader has usually forgotten it by the second look. */
const lookAgainMs = 250;

/** `muster node rm`. */
export const nodeRm = makeCommand({
  path: 'node rm',
  summary: 'Forget a node that is gone for good, so that what waits for it moves on',
  details: [
    'Refused while the node is there, and while something with disconnect "stop" might still run on it: a machine that can be reached no more is not a dead one. --force says that it is dead; if it is not, such an instance may run twice.',
    'Instances that waited for data on the node start elsewhere, without it. Should the machine ever come back, it joins as a new node, and what it still runs without an order is stopped.',
  ],
  args: [nodeArgument],
  options: {
    force: { type: 'boolean', help: 'The machine is dead: nothing runs on it any more' },
    'no-wait': { type: 'boolean', help: 'Return once the removal is accepted' },
    timeout: { type: 'string', short: 't', value: 'DURATION', help: 'How long to wait (1m); then exit 3' },
  },
  examples: [
    { line: 'muster node rm node3', does: 'node3 was taken away, after a drain' },
    { line: 'muster node rm node3 --force', does: 'its machine has burnt' },
  ],
  async run(context, { args: [name = ''], flag, value }) {
    const timeoutMs = durationOption('--timeout', value('timeout') ?? '1m');
    const client = await context.client();
    const answer = await askNode(context, name, client.removeNode(name, flag('force'), context.signal));
    const beganMs = context.clock.monotonicMs();
    const { id, hostname } = answer.node;
    const isGone = flag('no-wait') ? undefined : await awaitGone(context, id, beganMs + timeoutMs);
    const tookMs = Math.round(context.clock.monotonicMs() - beganMs);
    if (context.json) printJson(context, { ...answer, ...(isGone === undefined ? {} : { removed: isGone, tookMs }) });
    else if (isGone !== false) {
      const done = isGone === undefined ? 'to be removed' : `removed in ${formatSeconds(tookMs)}`;
      context.stdout.write(context.quiet ? `${hostname}\n` : `${hostname}: ${done}\n`);
    }
    if (isGone !== false) return exitCodes.done;
    context.stderr.write(`muster: Accepted, but "${hostname}" is not forgotten within ${formatSeconds(tookMs)}\n`);
    context.stderr.write('  what is ordered there has to move on first; muster node inspect shows it\n');
    return exitCodes.notConverged;
  },
});

async function awaitGone(context: Context, id: string, untilMs: number): Promise<boolean> {
  const client = await context.client();
  while (context.clock.monotonicMs() < untilMs) {
    try {
      await client.inspectNode(id, context.signal);
    } catch (error) {
      if (errorCodeOf(error) === 'NOT_FOUND') return true;
      if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    }
    await pause(context, lookAgainMs, context.signal);
    context.signal.throwIfAborted();
  }
  return false;
}
