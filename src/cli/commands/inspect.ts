import type { InstanceDetail, NodeAnswer, WorkloadAnswer } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { makeNotFound, unlessMissing } from '../not-found.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { showCopies, showInstance, showNode, showWorkload } from '../show-detail.ts';

type Found =
  | { readonly kind: 'workload'; readonly workload: WorkloadAnswer }
  | {
      readonly kind: 'instance';
      readonly instance: InstanceDetail;
      readonly workload: string;
      readonly problems: readonly string[];
    }
  | { readonly kind: 'node'; readonly node: NodeAnswer };

/** `muster inspect`: all that is known of one thing. */
export const inspect = makeCommand({
  path: 'inspect',
  summary: 'Show all that is known of a workload, an instance or a node',
  details: ['A name is looked up as a workload, then as an instance, then as a node.'],
  args: [{ name: 'NAME', help: "A workload, an instance, or a node's hostname or ID" }],
  options: {},
  live: true,
  examples: [
    { line: 'muster inspect web', does: 'spec, state and instances of a workload' },
    { line: 'muster inspect web.0', does: 'one instance: its copies, times, last action, moves' },
    { line: 'muster inspect node2', does: 'a node and what runs on it' },
  ],
  async run(context, { args: [name = ''] }) {
    const found = await find(context, name);
    if (context.json) printJson(context, found);
    else show(context, found);
    return exitCodes.done;
  },
});

async function find(context: Context, name: string): Promise<Found> {
  const client = await context.client();
  const { signal } = context;
  const workload = await unlessMissing(client.workload(name, signal));
  if (workload !== undefined) return { kind: 'workload', workload };
  const row = (await unlessMissing(client.instances({ name }, signal)))?.rows[0];
  if (row !== undefined) {
    const whole = await client.explain(row.workload, signal);
    const instance = whole.instances.find(({ key }) => key === row.key);
    if (instance !== undefined) return { kind: 'instance', instance, workload: row.workload, problems: whole.problems };
  }
  const node = await unlessMissing(client.inspectNode(name, signal));
  if (node !== undefined) return { kind: 'node', node };
  throw await makeNotFound(context, 'a workload, an instance or a node', name);
}

function show(context: Context, found: Found): void {
  switch (found.kind) {
    case 'workload':
      showWorkload(context, found.workload);
      printWarnings(context, found.workload.problems);
      return;
    case 'instance':
      showInstance(context, found.instance);
      printWarnings(context, found.problems);
      return;
    case 'node':
      showNode(context, found.node.node);
      context.stdout.write('\n');
      showCopies(context, found.node.rows);
      printWarnings(context, found.node.problems);
  }
}
