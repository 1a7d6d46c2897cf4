import { parseInput } from '../../input/parse-input.ts';
import { parseProblem } from '../../wire/problem.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { Misuse } from '../misuse.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { printError } from '../print-error.ts';
import { readFiles } from '../read-files.ts';
import { showPlannedInstances, showPlannedWorkload, summarizePlan } from '../show-plan.ts';

const nothing = { documents: [], warnings: [] } as const;

/** `muster plan`. */
export const plan = makeCommand({
  path: 'plan',
  summary: 'Show what an apply or a removal would do, and do none of it',
  details: [
    "The agent plans with the leader's own planner on the present state: what differs field by field, which instances would start, stop, restart or move and where to, which would find no node and why, also of other workloads. It takes for granted that all goes well. What nodes and others do meanwhile may change it.",
    'It exits 0 where nothing would change, 4 where something would, 1 where something is refused.',
  ],
  args: [{ name: 'FILE', help: 'As of muster apply', many: true, optional: true }],
  options: {
    rm: { type: 'string', value: 'NAME', help: 'A workload that would be removed; may be given several times' },
    name: {
      type: 'string',
      value: 'NAME',
      help: 'What standard input holds, as hello.service: it is then read as a unit file',
    },
  },
  examples: [
    { line: 'muster plan web.yaml', does: 'what an apply of it would do' },
    { line: 'muster plan ./workloads --rm old', does: 'an apply of a directory and a removal at once' },
    { line: 'muster plan web.yaml --json', does: 'the same for programs' },
  ],
  async run(context, { args, value, values }) {
    const remove = [...new Set(values('rm'))];
    if (args.length + remove.length === 0) throw new Misuse('Cannot plan nothing: expected a FILE or --rm NAME');
    const files = args.length === 0 ? [] : await readFiles({ paths: args, stdinName: value('name') }, context.stdin);
    const { documents, warnings } = files.length === 0 ? nothing : await parseInput(files);
    const client = await context.client();
    const answer = await client.plan({ documents, remove }, context.signal);
    const refused = answer.workloads.flatMap((each) => ('problem' in each ? [each.problem] : []));
    printWarnings(context, [...warnings, ...answer.warnings, ...answer.problems]);
    for (const problem of refused) printError(context, parseProblem(problem, problem.status));
    if (context.json) printJson(context, answer);
    else {
      for (const each of answer.workloads) if (!('problem' in each)) showPlannedWorkload(context, each);
      if (answer.others.length > 0) context.stdout.write('  others:\n');
      showPlannedInstances(context, answer.others);
      if (!answer.complete) context.stdout.write('  there is more to do than could be planned\n');
      context.stdout.write(`${summarizePlan(answer)}\n`);
    }
    if (refused.length > 0) return exitCodes.failed;
    return answer.changes ? exitCodes.wouldChange : exitCodes.done;
  },
});
