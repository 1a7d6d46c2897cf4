import { readWorkload } from '../cluster/desired-change.ts';
import { readSpecs } from '../cluster/desired-specs.ts';
import { AgentError } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { RevisionAnswer, RevisionRow, RevisionsAnswer } from '../wire/revision-answers.ts';
import type { ApiDeps } from './api-deps.ts';

/** `GET /v1/workloads/:name/revisions` */
export async function getRevisions(deps: ApiDeps, name: WorkloadName, signal: AbortSignal): Promise<RevisionsAnswer> {
  const { present, specs } = await read(deps, name, signal);
  return { name, revisions: [...specs.values()].map((spec) => revisionRow(spec, present)) };
}

/** `GET /v1/workloads/:name/revisions/:number` */
export async function getRevision(
  deps: ApiDeps,
  name: WorkloadName,
  typed: string,
  signal: AbortSignal,
): Promise<RevisionAnswer> {
  const { present, specs } = await read(deps, name, signal);
  const spec = /^\d{1,15}$/.test(typed) ? specs.get(Number(typed)) : undefined;
  if (spec === undefined) {
    const kept = [...specs.keys()].join(', ');
    throw new AgentError('NOT_FOUND', `Cannot find spec "${typed.slice(0, 50)}" of "${name}": expected one of ${kept}`);
  }
  return { name, revision: revisionRow(spec, present), run: spec.run };
}

async function read({ store }: ApiDeps, name: WorkloadName, signal: AbortSignal) {
  const [{ workload }, specs] = await Promise.all([readWorkload(store, name, signal), readSpecs(store, name, signal)]);
  if (workload === undefined) throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"`);
  return { present: workload.spec, specs };
}

function revisionRow({ number, hash, run, resolvedImage, at, rollbackTo }: StoredSpec, present: number): RevisionRow {
  return {
    spec: number,
    present: number === present,
    kind: run.kind,
    hash,
    ...(at === undefined ? {} : { at }),
    ...(run.kind === 'container' ? { image: run.image } : {}),
    ...(resolvedImage === undefined ? {} : { resolvedImage }),
    ...(rollbackTo === undefined ? {} : { rollbackTo }),
  };
}
