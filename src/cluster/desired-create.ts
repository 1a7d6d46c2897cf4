import type { WorkloadDocument } from '../domain/document.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { Compare, Write } from '../etcd/port.ts';
import { specCodec, workloadCodec } from './codecs.ts';
import { type Applied, makeSpec, makeWorkload, type ResolveImage } from './desired.ts';
import type { StoreView } from './desired-read.ts';
import { hashSpec } from './spec-hash.ts';

/** Within etcd's limits: each workload is a compare and two writes. */
const PACK = { workloads: 50, chars: 512 * 1024 } as const;

interface Creation {
  readonly name: WorkloadName;
  readonly applied: Omit<Applied, 'revision'>;
  readonly compare: Compare;
  readonly writes: readonly Write[];
}

/**
 * Creates those of the workloads that there are none of, as many in a transaction as fit, and returns what it did. What isn't in
 * the result may exist already, or shares a transaction with one that does: it's to be applied by itself.
 */
export async function createWorkloads(
  store: StoreView,
  documents: readonly WorkloadDocument[],
  resolveImage: ResolveImage,
  signal: AbortSignal,
): Promise<ReadonlyMap<WorkloadName, Applied>> {
  const resolveOnce = onceEach((image) => resolveImage(image, signal));
  const at = store.clock.wallTime().toISOString();
  const specs = await Promise.all(
    documents.map(async (document) => {
      const unnumbered = { number: 0, hash: hashSpec(document.run), at };
      const spec = await makeSpec(document, unnumbered, resolveOnce, signal);
      return { document, spec };
    }),
  );
  // Read last: a number is never above the revision that writes it, and none is used twice.
  const { revision } = await store.kv.get(store.layout.cluster, signal);
  const number = Math.max(1, revision);
  const creations = specs.map(({ document, spec }) => makeCreation(store, document, { ...spec, number }, at));
  const done = new Map<WorkloadName, Applied>();
  await Promise.all(
    pack(creations).map(async (creating) => {
      const compares = creating.map(({ compare }) => compare);
      const writes = creating.flatMap((creation) => creation.writes);
      const committed = await store.kv.commit({ compares, writes }, signal);
      if (!committed.applied) return;
      for (const { name, applied } of creating) done.set(name, { ...applied, revision: committed.revision });
    }),
  );
  return done;
}

function onceEach<T>(resolve: (image: string) => Promise<T>): (image: string) => Promise<T> {
  const images = new Map<string, Promise<T>>();
  return (image) => {
    const known = images.get(image) ?? resolve(image);
    images.set(image, known);
    return known;
  };
}

function makeCreation({ layout }: StoreView, document: WorkloadDocument, spec: StoredSpec, at: string): Creation {
  const { name } = document;
  const workload = makeWorkload(document, { number: spec.number, before: undefined, at });
  return {
    name,
    applied: { workload, created: true, changed: true, started: false },
    compare: { key: layout.workload(name), modRevision: 0 },
    writes: [
      { put: layout.workload(name), value: workloadCodec.encode(workload) },
      { put: layout.spec(name, spec.number), value: specCodec.encode(spec) },
    ],
  };
}

function pack(creations: readonly Creation[]): Creation[][] {
  const packs: Creation[][] = [];
  let chars = 0;
  for (const creation of creations) {
    const size = creation.writes.reduce((sum, write) => sum + ('value' in write ? write.value.length : 0), 0);
    const open = packs.at(-1);
    if (open === undefined || open.length >= PACK.workloads || chars + size > PACK.chars) {
      packs.push([creation]);
      chars = size;
    } else {
      open.push(creation);
      chars += size;
    }
  }
  return packs;
}
