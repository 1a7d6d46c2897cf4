import type { LabelsRequest } from '../../wire/node-settings-answers.ts';
import { makeCommand } from '../command.ts';
import { Misuse } from '../misuse.ts';
import { askNode, nodeArgument, printNodeChange } from '../on-node.ts';
import { formatLabels } from '../show-nodes.ts';

/** `muster node label`. */
export const nodeLabel = makeCommand({
  path: 'node label',
  summary: "Set and remove labels of a node, over those of the node's own configuration",
  details: [
    'An instance whose placement a label no longer meets leaves the node. A label of the configuration can be covered by another value; to remove it, change the configuration.',
  ],
  args: [
    nodeArgument,
    { name: 'LABEL', help: 'KEY=VALUE sets a label, KEY- removes one that was set here', many: true },
  ],
  options: {},
  examples: [
    { line: 'muster node label node2 disk=ssd zone=b', does: 'set two' },
    { line: 'muster node label node2 disk-', does: 'remove one' },
  ],
  async run(context, { args: [name = '', ...words] }) {
    const request = parseLabels(words);
    const client = await context.client();
    const answer = await askNode(context, name, client.labelNode(name, request, context.signal));
    const labels = formatLabels(answer.labels);
    return printNodeChange(context, answer, labels === '' ? 'no labels are set' : `labels set: ${labels}`);
  },
});

function parseLabels(words: readonly string[]): LabelsRequest {
  const set: Record<string, string> = {};
  const remove: string[] = [];
  for (const word of words) {
    const at = word.indexOf('=');
    if (at > 0) set[word.slice(0, at)] = word.slice(at + 1);
    else if (at < 0 && word.length > 1 && word.endsWith('-')) remove.push(word.slice(0, -1));
    else throw new Misuse(`Cannot read label "${word}": expected KEY=VALUE, or KEY- to remove one`);
  }
  return { set, remove };
}
