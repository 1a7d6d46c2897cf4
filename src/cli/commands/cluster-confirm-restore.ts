import type { StoreDoubtsAnswer } from '../../wire/status-answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { Misuse } from '../misuse.ts';
import { printJson } from '../print-answer.ts';
import { printable } from '../table.ts';

/** `muster cluster confirm-restore`. */
export const clusterConfirmRestore = makeCommand({
  path: 'cluster confirm-restore',
  summary: 'Say that etcd, restored from a backup, is to be followed',
  details: [
    'An agent that finds etcd at an older state than it knew, or another etcd in its place, acts on nothing of it: what runs, runs on, nothing is started, stopped or moved, and no leader plans. "muster status" says so. This ends it: from then on what etcd holds is what is wanted, so look first whether it is the right one.',
    'It raises the epoch: fencing tokens given from then on are higher than all before. Shows what is doubted, and asks; with --yes it does not ask.',
  ],
  args: [],
  options: { yes: { type: 'boolean', help: 'Do not ask' } },
  examples: [
    { line: 'muster cluster confirm-restore', does: 'show what is doubted, ask, and confirm it' },
    { line: 'muster cluster confirm-restore --yes', does: 'the same without asking' },
  ],
  async run(context, input) {
    const client = await context.client();
    const mayAsk = context.stdout.isTTY && !context.json;
    if (!input.flag('yes')) {
      const found = await client.doubts(context.signal);
      showDoubts(context, found);
      if (found.doubts.length === 0) return exitCodes.done;
      if (!mayAsk)
        throw new Misuse(
          'Cannot confirm without being asked: expected --yes, or a terminal',
          'muster cluster confirm-restore --yes',
        );
      if (!(await isConfirmed(context))) {
        context.stdout.write('nothing was changed\n');
        return exitCodes.failed;
      }
    }
    const answer = await client.confirmRestore(context.signal);
    if (context.json) printJson(context, answer);
    else context.stdout.write(`confirmed at revision ${answer.store.revision}, epoch ${answer.epoch}\n`);
    return exitCodes.done;
  },
});

function showDoubts(context: Context, found: StoreDoubtsAnswer): void {
  const { stdout, json } = context;
  const { doubts, store } = found;
  if (json) {
    if (doubts.length === 0) printJson(context, found);
    return;
  }
  if (doubts.length === 0) {
    stdout.write('no node doubts the store: there is nothing to confirm\n');
    return;
  }
  stdout.write(`etcd is at revision ${store.revision}, term ${store.raftTerm} of cluster ${store.clusterId}\n`);
  for (const { node, reason } of doubts) stdout.write(`${printable(node.hostname)}: ${printable(reason)}\n`);
}

async function isConfirmed({ stdout, stdin }: Context): Promise<boolean> {
  stdout.write('Follow what this etcd holds? Type "yes": ');
  let text = '';
  for await (const chunk of stdin) {
    text += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
    if (text.includes('\n') || text.length > 100) break;
  }
  return text.trim() === 'yes';
}
