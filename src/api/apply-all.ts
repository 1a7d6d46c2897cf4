import { createWorkloads } from '../cluster/desired-create.ts';
import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { ApplyAllAnswer, ApplyAnswer } from '../wire/answers.ts';
import type { ProblemLine } from '../wire/problem.ts';
import { parseApplyAllRequest } from '../wire/schemas.ts';
import type { ApiDeps } from './api-deps.ts';
import { apply, applyAnswer, parseApplied, resolveImage } from './apply.ts';
import { makeProblem } from './problem-response.ts';

/** So many at once of those that are applied one by one. */
const AT_ONCE = 8;

type Outcome = ApplyAnswer | ProblemLine;

/**
 * `POST /v1/apply`: what is new is created together, as many in a transaction as fit; the rest is applied one by one. What can't
 * be read or is refused is in the answer; a store that doesn't answer fails the whole, and what is in doubt may be sent again.
 */
export async function applyAll(
  deps: ApiDeps,
  body: unknown,
  requestId: string,
  signal: AbortSignal,
): Promise<ApplyAllAnswer> {
  const outcomes = new Map<number, Outcome>();
  const refuse = (at: number, error: unknown) => outcomes.set(at, { problem: makeProblem(error, requestId) });
  const documents = new Map<number, WorkloadDocument>();
  const { documents: sent } = parseApplyAllRequest(body);
  for (const [at, json] of sent.entries()) {
    try {
      documents.set(at, parseApplied(json));
    } catch (error) {
      refuse(at, error);
    }
  }
  refuseTwice([...documents.values()]);
  const created = await create(deps, [...documents.values()], signal);
  const rest = [...documents].filter(([at, { name }]) => {
    const answer = created.get(name);
    if (answer !== undefined) outcomes.set(at, answer);
    return answer === undefined;
  });
  const queue = rest.values();
  const applySome = async () => {
    for (const [at, document] of queue) {
      try {
        outcomes.set(at, await apply(deps, document.name, { body: document }, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof AgentError && error.code === 'UNAVAILABLE') throw error;
        refuse(at, error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rest.length) }, applySome));
  return { outcomes: [...outcomes].sort(([a], [b]) => a - b).map(([, outcome]) => outcome) };
}

async function create(
  deps: ApiDeps,
  documents: readonly WorkloadDocument[],
  signal: AbortSignal,
): Promise<ReadonlyMap<WorkloadName, ApplyAnswer>> {
  if (documents.length < 2) return new Map();
  const warnings = new Map<string, string[]>();
  const resolve = (image: string) => {
    const said: string[] = [];
    warnings.set(image, said);
    return resolveImage(deps, image, said, signal);
  };
  const created = await createWorkloads(deps.store, documents, resolve, signal);
  const answers = new Map<WorkloadName, ApplyAnswer>();
  for (const { name, run } of documents) {
    const applied = created.get(name);
    const said = run.kind === 'container' ? warnings.get(run.image) : undefined;
    if (applied !== undefined) answers.set(name, applyAnswer(deps, name, applied, said ?? []));
  }
  return answers;
}

function refuseTwice(documents: readonly WorkloadDocument[]): void {
  const names = new Set<string>();
  for (const { name } of documents) {
    if (names.has(name)) throw new AgentError('INVALID_INPUT', `Cannot apply "${name}" twice: expected each name once`);
    names.add(name);
  }
}
