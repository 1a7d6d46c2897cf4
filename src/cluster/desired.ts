import { isDeepStrictEqual } from 'node:util';
import type { WorkloadDocument } from '../domain/document.ts';
import { deriveNeeds } from '../domain/needs.ts';
import type { RunSpec, StoredSpec, Workload } from '../domain/spec.ts';
import type { Revision, Write } from '../etcd/port.ts';
import { specCodec, workloadCodec } from './codecs.ts';
import {
  commitWorkload,
  type Expecting,
  type Launch,
  launchFields,
  readWorkload,
  retryLost,
} from './desired-change.ts';
import type { StoreView } from './desired-read.ts';
import { planSpecPruning, readSpecs } from './desired-specs.ts';
import { checkExpected } from './expected-spec.ts';
import { hashSpec } from './spec-hash.ts';

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

/** An image's digest, asked once for a new spec; undefined when it can't be had. */
export type ResolveImage = (image: string, signal: AbortSignal) => Promise<string | undefined>;

/** How an apply goes about it. */
export interface ApplyOptions extends Expecting {
  readonly resolveImage: ResolveImage;
  /** What is desired of it from then on, whatever the document says of its launch. Absent: it runs, or is loaded, as that says. */
  readonly desired?: Launch;
  /** Another text is another spec, also where it says the same to systemd: what is read back is what was sent. Nothing restarts for it. */
  readonly byText?: boolean;
}

/**
 * Makes the document what is desired of its workload, and has it run: one that was stopped starts, one that is being removed
 * stays. Idempotent. One transaction that compares the record as it was read; one that comes second reads again.
 */
export async function applyWorkload(
  store: StoreView,
  document: WorkloadDocument,
  { resolveImage, expected, desired, byText = false }: ApplyOptions,
  signal: AbortSignal,
): Promise<Applied> {
  const hash = hashSpec(document.run);
  const { name } = document;
  return retryLost(name, async (attempt) => {
    const [found, specs] = await Promise.all([readWorkload(store, name, signal), readSpecs(store, name, signal)]);
    const before = found.workload;
    checkExpected(name, before, expected);
    const present = before === undefined ? undefined : specs.get(before.spec);
    if (before !== undefined && present === undefined && attempt === 0) return undefined; // two reads, a change between them
    const isNewSpec = present?.hash !== hash || (byText && !isDeepStrictEqual(present.run, document.run));
    const number = nextNumber(before, isNewSpec, found.revision);
    const at = store.clock.wallTime().toISOString();
    const { launch, ...made } = makeWorkload(document, { number, before, at });
    const after = { ...made, ...launchFields(desired ?? (launch === false ? 'load' : 'run')) };
    const started =
      after.desired === 'run' &&
      after.launch === undefined &&
      before !== undefined &&
      (before.desired !== 'run' || before.launch === false || before.removing === true);
    if (before !== undefined && isSameWorkload(before, after)) {
      return { workload: before, created: false, changed: false, started: false, revision: found.revision };
    }
    const writes: Write[] = [{ put: store.layout.workload(name), value: workloadCodec.encode(after) }];
    if (isNewSpec) {
      const spec = await makeSpec(document, { number, hash, at }, resolveImage, signal);
      writes.push({ put: store.layout.spec(name, number), value: specCodec.encode(spec) });
      writes.push(...(await planSpecPruning(store, name, [...specs.keys()], signal)));
    }
    const revision = await commitWorkload(store, name, { modRevision: found.modRevision, writes }, signal);
    if (revision === undefined) return undefined;
    return { workload: after, created: before === undefined, changed: true, started, revision };
  });
}

/**
 * A name's first spec takes the store's revision as its number, later ones count on. So a number is never above the revision
 * that wrote it, and a workload removed and made again never reuses one: what nodes keep of a spec stays true for good.
 */
export function nextNumber(before: Workload | undefined, isNewSpec: boolean, revision: Revision): number {
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
    ...(document.launch === undefined ? {} : { launch: document.launch }),
    ...(document.reschedule === undefined ? {} : { reschedule: document.reschedule }),
    moveOrder: document.moveOrder,
    sticky: document.sticky,
    needs: deriveNeeds(document),
    ...labelsOf(document.run),
    ...(before?.restart === undefined ? {} : { restart: before.restart }),
    createdAt: before?.createdAt ?? at,
    changedAt: at,
  };
}

/** What listings choose a workload by. */
export function labelsOf(run: RunSpec): Pick<Workload, 'labels'> {
  return run.kind === 'container' && Object.keys(run.labels).length > 0 ? { labels: run.labels } : {};
}

/** True where an apply would write nothing. */
export function isSameWorkload(before: Workload, after: Workload): boolean {
  return isDeepStrictEqual({ ...before, changedAt: '' }, { ...after, changedAt: '' });
}

/** The spec that a document's workload runs by. */
export async function makeSpec(
  document: WorkloadDocument,
  { number, hash, at }: Pick<StoredSpec, 'number' | 'hash'> & { readonly at: string },
  resolveImage: ResolveImage,
  signal: AbortSignal,
): Promise<StoredSpec> {
  const { run } = document;
  const resolvedImage = run.kind === 'container' ? await resolveImage(run.image, signal) : undefined;
  const resolved = resolvedImage === undefined ? {} : { resolvedImage };
  return { number, hash, run, ...resolved, at, needs: deriveNeeds(document) };
}
