import { type Applied, applyWorkload } from '../cluster/desired.ts';
import type { ExpectedSpec } from '../cluster/expected-spec.ts';
import { checkDocument } from '../domain/check-document.ts';
import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError, errorText } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import { storedPlacement } from '../domain/specifiers.ts';
import type { ApplyAnswer } from '../wire/answers.ts';
import { parseDocument } from '../wire/schemas.ts';
import type { ApiDeps } from './api-deps.ts';

/** How long an apply waits for a registry to say what a tag is. */
const RESOLVE_MS = 5_000;

/** Makes a document what is desired: parsed and checked again, whoever has checked it before. */
export async function apply(
  deps: ApiDeps,
  name: WorkloadName,
  { body, expected }: { readonly body: unknown; readonly expected?: ExpectedSpec | undefined },
  signal: AbortSignal,
): Promise<ApplyAnswer> {
  const document = parseApplied(body);
  if (document.name !== name) {
    throw new AgentError('INVALID_INPUT', `Cannot apply "${document.name}" as "${name}": expected the same name`);
  }
  const warnings: string[] = [];
  const resolve = (image: string) => resolveImage(deps, image, warnings, signal);
  const applied = await applyWorkload(deps.store, document, { resolveImage: resolve, expected }, signal);
  return applyAnswer(deps, name, applied, warnings);
}

/** What is told of an apply, and its line in the log. */
export function applyAnswer(
  deps: ApiDeps,
  name: WorkloadName,
  { workload, created, changed, started, revision }: Applied,
  warnings: readonly string[],
): ApplyAnswer {
  if (changed) deps.log.info({ workload: name, spec: workload.spec, created, started }, 'workload applied');
  return { name, spec: workload.spec, created, changed, started, revision, warnings: [...new Set(warnings)] };
}

/** The document that a client has sent. */
export function parseApplied(body: unknown): WorkloadDocument {
  const document = parseDocument(body);
  const expanded = { ...document, placement: storedPlacement(document.placement, document.name) };
  checkDocument(expanded);
  return expanded;
}

/** The image's digest, or a warning: the apply goes on, and each node then asks for the tag itself. */
export async function resolveImage(
  deps: ApiDeps,
  image: string,
  warnings: string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const docker = deps.runtimes.find(({ kind }) => kind === 'docker');
  if (docker === undefined || image.includes('@sha256:')) return undefined;
  const stop = new AbortController();
  const abort = () => stop.abort(signal.reason);
  const late = new AgentError('UNAVAILABLE', `its registry did not answer within ${RESOLVE_MS} ms`);
  const cancel = deps.clock.after(RESOLVE_MS, () => stop.abort(late));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await docker.resolveImage(image, stop.signal);
  } catch (error) {
    signal.throwIfAborted();
    warnings.push(
      `the digest of image "${image}" is not known, so that copies may run different bytes: ${errorText(error)}`,
    );
    return undefined;
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}
