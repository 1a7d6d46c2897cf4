import { isDeepStrictEqual } from 'node:util';
import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import { deriveNeeds } from '../domain/needs.ts';
import type { StoredSpec, Workload } from '../domain/spec.ts';
import type { Revision, Write } from '../etcd/port.ts';
import { specCodec, workloadCodec } from './codecs.ts';
import type { StoreView } from './desired-read.ts';
import { planSpecPruning, readSpecs } from './desired-specs.ts';
import { hashSpec } from './spec-hash.ts';

/** How often a change is tried again when another one came first. */
const ATTEMPTS = 8;

/** What an apply did. */
export interface Applied {
  readonly workload: Workload;
  readonly created: boolean;
  /** False: all was so already, and nothing was written. */
  readonly changed: boolean;
  /** It was stopped or being removed, and is to run again. */
  readonly started: boolean;
  readonly revision: Revision;
}

/** What a change of the desired state did. */
export interface Changed {
  readonly workload: Workload;
  readonly changed: boolean;
  readonly revision: Revision;
}

/** An image's digest, asked once for a new spec; undefined when it can't be had. */
export type ResolveImage = (image: string, signal: AbortSignal) => Promise<string | undefined>;

/**
 * Makes the document what is desired of its workload, and has it run: one that was stopped starts, one that is being removed
 * stays. Idempotent. One transaction that compares the record as it was read; one that comes second reads again.
 */
export async function applyWorkload(
  store: StoreView,
  document: WorkloadDocument,
  resolveImage: ResolveImage,
  signal: AbortSignal,
): Promise<Applied> {
  const hash = hashSpec(document.run);
  const { name } = document;
  return retryLost(name, async (attempt) => {
    const [found, specs] = await Promise.all([readWorkload(store, name, signal), readSpecs(store, name, signal)]);
    const before = found.workload;
    const present = before === undefined ? undefined : specs.get(before.spec);
    if (before !== undefined && present === undefined && attempt === 0) return undefined; // two reads, a change between them
    const isNewSpec = present?.hash !== hash;
    const number = nextNumber(before, isNewSpec, found.revision);
    const after = makeWorkload(document, { number, before, at: store.clock.wallTime().toISOString() });
    const started = before !== undefined && (before.desired !== 'run' || before.removing === true);
    if (before !== undefined && isSame(before, after)) {
      return { workload: before, created: false, changed: false, started: false, revision: found.revision };
    }
    const writes: Write[] = [{ put: store.layout.workload(name), value: workloadCodec.encode(after) }];
    if (isNewSpec) {
      const spec = await makeSpec(document, { number, hash }, resolveImage, signal);
      writes.push({ put: store.layout.spec(name, number), value: specCodec.encode(spec) });
      writes.push(...(await planSpecPruning(store, name, [...specs.keys()], signal)));
    }
    const revision = await commitWorkload(store, name, { modRevision: found.modRevision, writes }, signal);
    if (revision === undefined) return undefined;
    return { workload: after, created: before === undefined, changed: true, started, revision };
  });
}

/** Orders a workload to run or to stop. `NOT_FOUND` without one; `CONFLICT` for a start while it's being removed. */
export function setDesired(
  store: StoreView,
  name: WorkloadName,
  desired: Workload['desired'],
  signal: AbortSignal,
): Promise<Changed> {
  return changeWorkload(store, name, signal, (workload) => {
    if (workload.removing === true) {
      if (desired === 'stop') return workload;
      throw new AgentError('CONFLICT', `Cannot start "${name}": it is being removed; apply it again to keep it`);
    }
    return workload.desired === desired ? workload : { ...workload, desired };
  });
}

/** Orders a workload to go: its instances stop, then its records are deleted. `NOT_FOUND` without one. */
export function markRemoving(store: StoreView, name: WorkloadName, signal: AbortSignal): Promise<Changed> {
  return changeWorkload(store, name, signal, (workload) =>
    workload.removing === true ? workload : { ...workload, removing: true },
  );
}

async function changeWorkload(
  store: StoreView,
  name: WorkloadName,
  signal: AbortSignal,
  change: (workload: Workload) => Workload,
): Promise<Changed> {
  return retryLost(name, async () => {
    const { workload, modRevision, revision: readAt } = await readWorkload(store, name, signal);
    if (workload === undefined) throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"`);
    const after = change(workload);
    if (after === workload) return { workload, changed: false, revision: readAt };
    const next = { ...after, changedAt: store.clock.wallTime().toISOString() };
    const writes = [{ put: store.layout.workload(name), value: workloadCodec.encode(next) }];
    const revision = await commitWorkload(store, name, { modRevision, writes }, signal);
    return revision === undefined ? undefined : { workload: next, changed: true, revision };
  });
}

/** Tries until `attempt` has a result; undefined means that another change came first. */
async function retryLost<T>(name: WorkloadName, attempt: (nth: number) => Promise<T | undefined>): Promise<T> {
  for (let nth = 0; nth < ATTEMPTS; nth += 1) {
    const result = await attempt(nth);
    if (result !== undefined) return result;
  }
  throw new AgentError('CONFLICT', `Cannot change "${name}": others changed it ${ATTEMPTS} times meanwhile; try again`);
}

async function readWorkload(store: StoreView, name: WorkloadName, signal: AbortSignal) {
  const key = store.layout.workload(name);
  const { kv, revision } = await store.kv.get(key, signal);
  if (kv === undefined) return { workload: undefined, modRevision: 0, revision };
  try {
    return { workload: workloadCodec.decode(kv.value, key), modRevision: kv.modRevision, revision };
  } catch (cause) {
    // Perhaps a later version's: overwriting it would lose what that version knows.
    throw new AgentError('CONFLICT', `Cannot change "${name}": expected to understand its record`, { cause });
  }
}

/** The revision of the commit; undefined when the record was no longer what was read. */
async function commitWorkload(
  { kv, layout }: StoreView,
  name: WorkloadName,
  change: { readonly modRevision: Revision; readonly writes: readonly Write[] },
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const compares = [{ key: layout.workload(name), modRevision: change.modRevision }];
  const { applied, revision } = await kv.commit({ compares, writes: change.writes }, signal);
  return applied ? revision : undefined;
}

/**
 * A name's first spec takes the store's revision as its number, later ones count on. So a number is never above the revision
 * that wrote it, and a workload removed and made again never reuses one: what nodes keep of a spec stays true for good.
 */
function nextNumber(before: Workload | undefined, isNewSpec: boolean, revision: Revision): number {
  if (before === undefined) return Math.max(1, revision);
  return isNewSpec ? before.spec + 1 : before.spec;
}

/** The record of a workload that is to run as the document says. */
export function makeWorkload(
  document: WorkloadDocument,
  { number, before, at }: { readonly number: number; readonly before: Workload | undefined; readonly at: string },
): Workload {
  return {
    spec: number,
    scale: document.scale,
    desired: 'run',
    placement: document.placement,
    disconnect: document.disconnect,
    ...(document.offlineStart === undefined ? {} : { offlineStart: document.offlineStart }),
    ...(document.reschedule === undefined ? {} : { reschedule: document.reschedule }),
    moveOrder: document.moveOrder,
    sticky: document.sticky,
    needs: deriveNeeds(document),
    createdAt: before?.createdAt ?? at,
    changedAt: at,
  };
}

function isSame(before: Workload, after: Workload): boolean {
  return isDeepStrictEqual({ ...before, changedAt: '' }, { ...after, changedAt: '' });
}

/** The spec that a document's workload runs by. */
export async function makeSpec(
  { run }: WorkloadDocument,
  { number, hash }: { readonly number: number; readonly hash: string },
  resolveImage: ResolveImage,
  signal: AbortSignal,
): Promise<StoredSpec> {
  const resolvedImage = run.kind === 'container' ? await resolveImage(run.image, signal) : undefined;
  return { number, hash, run, ...(resolvedImage === undefined ? {} : { resolvedImage }) };
}
