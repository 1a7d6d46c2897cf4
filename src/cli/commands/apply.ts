import type { WorkloadDocument } from '../../domain/document.ts';
import { AgentError } from '../../domain/errors.ts';
import { parseInput } from '../../input/parse-input.ts';
import type { ApplyAnswer } from '../../wire/answers.ts';
import type { Client } from '../../wire/client.ts';
import type { SpecCondition, WorkloadChanges } from '../../wire/workload-client.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { followRollout } from '../follow-rollout.ts';
import { ifSpecApplyOption, parseIfSpec } from '../if-spec.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { printError } from '../print-error.ts';
import { makeProgress } from '../progress.ts';
import { readFiles } from '../read-files.ts';
import { patienceOf, reportRollout, rolloutJson, waitOptions } from '../report-rollout.ts';
import type { Goal } from '../rollout.ts';

/** Most of one request: its body stays below what an agent takes, its answer is soon there. */
const requestLimit = { documents: 200, chars: 1_000_000 } as const;

/** `muster apply`: make the cluster have what files say. */
export const apply = makeCommand({
  path: 'apply',
  summary: 'Make the cluster run what files say, and wait until it does',
  details: [
    'A file is a systemd unit file, by its name, or YAML with one or more workloads. A directory stands for the unit and YAML files in it, "-" for standard input. All files are checked before the first is sent. What is so already is left alone.',
    'It waits until every instance is healthy and shows each change on the way. It exits 1 once all that is left has failed or can be placed nowhere and nothing has got better for the time that --give-up says, 3 after --timeout. In both cases the change stays accepted and the cluster goes on trying.',
  ],
  args: [{ name: 'FILE', help: 'A unit file, a YAML file, a directory, or - for standard input', many: true }],
  options: {
    ...waitOptions,
    ...ifSpecApplyOption,
    name: {
      type: 'string',
      value: 'NAME',
      help: 'What standard input holds, as hello.service: it is then read as a unit file',
    },
  },
  examples: [
    { line: 'muster apply hello.service', does: 'run a unit, wait until it is healthy' },
    { line: 'muster apply web.yaml redis.yaml --timeout 10m', does: 'several at once' },
    { line: 'muster apply --no-wait ./workloads', does: 'all of a directory, without waiting' },
    { line: 'muster apply web.yaml --if-spec 12', does: 'only if nobody has changed it since spec 12' },
    {
      line: 'muster apply ./workloads --if-spec none',
      does: 'what is not there yet; what is there is refused, and stays as it is',
    },
    { line: 'muster apply --name hello.service - < unit.txt', does: 'a unit from standard input' },
  ],
  async run(context, { args, flag, value }) {
    const patience = patienceOf(value);
    const files = await readFiles({ paths: args, stdinName: value('name') }, context.stdin);
    const { documents, warnings } = await parseInput(files);
    const condition = conditionOf(value('if-spec'), documents);
    const { answers, failed } = await submit(context, documents, condition);
    printWarnings(context, [...warnings, ...answers.flatMap((answer) => answer.warnings)]);
    if (!context.json)
      for (const answer of answers)
        context.stdout.write(context.quiet ? `${answer.name}\n` : `${answer.name}: ${describe(answer)}\n`);
    if (flag('no-wait') || answers.length === 0) {
      if (context.json && (answers.length > 0 || failed === 0))
        printJson(context, { accepted: answers, outcome: 'accepted' });
      return failed > 0 ? exitCodes.failed : exitCodes.done;
    }
    const goals = answers.map(({ name, spec }): Goal => ({ name, spec, state: 'run' }));
    const followed = await followRollout(context, goals, patience, makeProgress(context));
    if (context.json) printJson(context, { accepted: answers, ...rolloutJson(followed) });
    const code = reportRollout(context, followed);
    return failed > 0 ? exitCodes.failed : code;
  },
});

/** Sends all, many in one request; each that is refused is said and holds up no other. Answers are in the files' order. */
async function submit(
  context: Context,
  documents: readonly WorkloadDocument[],
  condition: SpecCondition | undefined,
): Promise<{ readonly answers: readonly ApplyAnswer[]; readonly failed: number }> {
  const client = await context.client();
  const send: Client['applyAll'] =
    condition === undefined ? async (...args) => client.applyAll(...args) : applyEach(client.onlyIf(condition));
  const accepted: ApplyAnswer[] = [];
  let unreachable: AgentError | undefined;
  const requests = condition === undefined ? chunksOf(documents) : documents.map((document) => [document]);
  for (const request of requests) {
    try {
      for (const outcome of await send(request, context.signal)) {
        if (outcome instanceof AgentError) printError(context, outcome);
        else accepted.push(outcome);
      }
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof AgentError) || error.code !== 'UNAVAILABLE') throw error;
      unreachable = error;
      break;
    }
  }
  if (unreachable !== undefined) {
    if (accepted.length === 0) throw unreachable;
    const message = `Cannot apply all: only ${accepted.length} of ${documents.length} workloads were accepted, apply again`;
    printError(context, new AgentError('UNAVAILABLE', message, { cause: unreachable }));
  }
  return { answers: accepted, failed: documents.length - accepted.length };
}

/** A condition is said of one workload: each is a request of its own. */
function applyEach(changes: WorkloadChanges): Client['applyAll'] {
  return async (documents, signal) =>
    Promise.all(
      documents.map(async (document) =>
        changes.apply(document, signal).catch((error: unknown) => {
          if (error instanceof AgentError && error.code !== 'UNAVAILABLE') return error;
          throw error;
        }),
      ),
    );
}

function conditionOf(typed: string | undefined, documents: readonly WorkloadDocument[]): SpecCondition | undefined {
  if (typed === undefined) return undefined;
  const names = documents.map(({ name }) => name);
  return parseIfSpec(typed, names, ['any', 'none']);
}

function chunksOf(documents: readonly WorkloadDocument[]): WorkloadDocument[][] {
  const chunks: WorkloadDocument[][] = [];
  let chars = 0;
  for (const document of documents) {
    const size = JSON.stringify(document).length;
    const open = chunks.at(-1);
    if (open === undefined || open.length >= requestLimit.documents || chars + size > requestLimit.chars) {
      chunks.push([document]);
      chars = size;
    } else {
      open.push(document);
      chars += size;
    }
  }
  return chunks;
}

function describe({ created, changed, started, spec }: ApplyAnswer): string {
  if (created) return `created, spec ${spec}`;
  if (started) return `started again, spec ${spec}`;
  return changed ? `changed, spec ${spec}` : `unchanged, spec ${spec}`;
}
