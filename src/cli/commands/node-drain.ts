import type { NodeSettingsAnswer } from '../../wire/node-settings-answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { durationOption, formatSeconds } from '../durations.ts';
import { drainLine, type FollowedDrain, followDrain } from '../follow-drain.ts';
import { Misuse } from '../misuse.ts';
import { askNode, nodeArgument, printNodeChange } from '../on-node.ts';
import { printJson } from '../print-answer.ts';

/** What is stopped by force at the deadline may take so long to end. */
const forceLimitMs = 300_000;

/** `muster node drain`. */
export const nodeDrain = makeCommand({
  path: 'node drain',
  summary: 'Move everything off a node, and wait until nothing was seen on it any more',
  details: [
    'One instance of a workload moves after the other: its new copy is healthy before the old one is stopped, or, with moveOrder stop-first and disconnect stop, the old one has stopped before the new one starts. Global instances stop when all others have left.',
    'What no other node takes, and what has its data on the node, stays and is shown with the reason. When the deadline has passed the command ends with 3 and says what is left; the node stays as it is, and nothing is stopped by force unless --force was given: then the cluster stops what is left at the deadline, whether or not somebody still waits for it.',
    'muster node uncordon ends a drain. The node gets no new work until then, also once it is empty.',
  ],
  args: [nodeArgument],
  options: {
    deadline: { type: 'string', value: 'DURATION', help: 'By when the node is to be empty (1h)' },
    force: { type: 'boolean', help: 'Stop at the deadline what is left; needs --deadline' },
    'keep-global': { type: 'boolean', help: 'Leave global instances where they are' },
    'no-wait': { type: 'boolean', help: 'Return once the drain is accepted' },
  },
  examples: [
    { line: 'muster node drain node2', does: 'empty it for maintenance' },
    { line: 'muster node drain node2 --deadline 10m', does: 'and end with 3 if that takes longer' },
    { line: 'muster node drain node2 --deadline 10m --force', does: 'and stop what is left by then' },
  ],
  async run(context, { args: [name = ''], flag, value }) {
    const [force, keepGlobal] = [flag('force'), flag('keep-global')];
    if (force && value('deadline') === undefined) {
      throw new Misuse('Cannot drain with --force: expected --deadline, after which what is left is stopped');
    }
    const deadlineMs = durationOption('--deadline', value('deadline') ?? '1h');
    const client = await context.client();
    const request = { deadlineMs, force, keepGlobal };
    const accepted = await askNode(context, name, client.drainNode(name, request, context.signal));
    if (flag('no-wait')) return printNodeChange(context, accepted, 'to be drained');
    const limitMs = deadlineMs + (force ? forceLimitMs : 0);
    return report(context, accepted, await followDrain(context, accepted.node.id, limitMs));
  },
});

function report(context: Context, { node }: NodeSettingsAnswer, followed: FollowedDrain): number {
  const { outcome, progress, tookMs } = followed;
  const took = formatSeconds(tookMs);
  if (context.json) printJson(context, { outcome, tookMs: Math.round(tookMs), progress });
  if (outcome === 'drained') {
    const staying = progress?.staying ?? [];
    const but = staying.length === 0 ? '' : `, but for ${staying.join(', ')}`;
    const text = `${context.paint('drained', 'good')}: nothing is on ${node.hostname} any more${but}, in ${took}`;
    if (!context.json) context.stdout.write(context.quiet ? `${node.hostname}\n` : `${text}\n`);
    return exitCodes.done;
  }
  if (outcome === 'undone') {
    context.stderr.write(`muster: Cannot drain "${node.hostname}" any longer: somebody has ended that meanwhile\n`);
    return exitCodes.failed;
  }
  const left = progress?.left ?? [];
  context.stderr.write(
    `muster: Accepted, but ${left.length} instances are still on "${node.hostname}" after ${took}\n`,
  );
  for (const row of left.slice(0, 20)) context.stderr.write(`  ${drainLine(row)}\n`);
  if (left.length > 20) context.stderr.write(`  and ${left.length - 20} more\n`);
  context.stderr.write(`  it goes on; muster node uncordon ${node.hostname} ends it\n`);
  return exitCodes.notConverged;
}
