import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { KeyValue, Listed, Revision, StoreIdentity } from './port.ts';

export interface ListPage {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** What answered: of the first page, its revision is the list's. */
  readonly store: StoreIdentity;
  /** The last key as bytes: the next page begins after it. */
  readonly last: Buffer | undefined;
}

export type ReadPage = (from: Buffer, limit: number, revision: Revision | undefined) => Promise<ListPage>;

const pageKeys = 500;
const pageBytes = 4 * 1024 * 1024;
const restarts = 3;

/** All pages at one revision. A compaction between two of them restarts the list. */
export async function listAll(prefix: string, readPage: ReadPage): Promise<Listed> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await listOnce(prefix, readPage);
    } catch (error) {
      if (errorCodeOf(error) !== 'STALE') throw error;
      const message = `Cannot list "${prefix}": expected the store to keep one revision for the time of the list`;
      if (tries > restarts) throw new AgentError('UNAVAILABLE', message, { cause: error });
    }
  }
}

async function listOnce(prefix: string, readPage: ReadPage): Promise<Listed> {
  const kvs: KeyValue[] = [];
  let limit = pageKeys;
  let page = await readPage(Buffer.from(prefix), limit, undefined);
  const { store } = page;
  for (;;) {
    for (const kv of page.kvs) kvs.push(kv);
    if (!page.more || !page.last) return { kvs, ...store };
    limit = nextLimit(page.kvs);
    page = await readPage(Buffer.concat([page.last, Buffer.of(0)]), limit, store.revision);
    const { clusterId, revision } = page.store;
    if (clusterId !== store.clusterId || revision < store.revision)
      throw new AgentError(
        'UNAVAILABLE',
        `Cannot list "${prefix}": expected all of it from cluster ${store.clusterId} at revision ${store.revision} at least, got a part from ${clusterId} at ${revision}`,
      );
  }
}

/** Fewer keys a page where values are large: a page must arrive within one attempt. */
function nextLimit(kvs: readonly KeyValue[]): number {
  const bytes = kvs.reduce((sum, kv) => sum + kv.key.length + kv.value.length, 0);
  return Math.max(10, Math.min(pageKeys, Math.floor((pageBytes * kvs.length) / Math.max(1, bytes))));
}
