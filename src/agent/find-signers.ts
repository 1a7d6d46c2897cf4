import { nodeRecordCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import { type NodeId, parseNodeId } from '../domain/ids.ts';
import type { Kv } from '../etcd/port.ts';

/** A node that signs certificates. */
export interface SigningNode {
  readonly node: NodeId;
  readonly url: string;
}

/** The nodes that have the CA's key, as they say of themselves, in a random order. */
export async function findSigners(
  { kv, layout, random }: { readonly kv: Pick<Kv, 'list'>; readonly layout: Layout; readonly random: () => number },
  signal: AbortSignal,
): Promise<readonly SigningNode[]> {
  const { kvs } = await kv.list(layout.nodes, signal);
  const found = kvs.flatMap(({ key, value }) => {
    const [, id] = /\/([0-9a-f]{32})\/record$/.exec(key) ?? [];
    return id === undefined ? [] : readSigner(id, key, value);
  });
  return found
    .map((each) => [random(), each] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, each]) => each);
}

function readSigner(id: string, key: string, value: string): SigningNode[] {
  try {
    const { api, signs } = nodeRecordCodec.decode(value, key);
    return api !== undefined && signs === true ? [{ node: parseNodeId(id), url: `https://${api}` }] : [];
  } catch {
    return []; // garbage in the store: told of by whoever reads it for more
  }
}
