import { nodeRecordCodec } from '../../cluster/codecs.ts';
import { AgentError } from '../../domain/errors.ts';
import { type NodeId, parseNodeId } from '../../domain/ids.ts';
import type { NodeRecord } from '../../domain/node.ts';
import { type CertificateAnswer, parseCertificateRequest } from '../../wire/certificate-answers.ts';
import type { ApiDeps } from '../api-deps.ts';
import type { Route, RouteRequest } from '../route.ts';

/** Certificates of nodes. */
export const pkiRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/node/certificate',
    role: 'node',
    summary:
      "A new certificate for the node whose certificate the request comes with; asked of nodes with the CA's key.",
    unjoined: true, // while etcd is away certificates end all the same
    handle: renewCertificate,
  },
];

async function renewCertificate({ deps, caller, body, signal }: RouteRequest): Promise<CertificateAnswer> {
  if (deps.certificates === undefined)
    throw new AgentError('CONFLICT', 'Cannot sign a certificate here: expected a node with pki.caKey');
  if (caller.via !== 'tls')
    throw new AgentError(
      'FORBIDDEN',
      'Cannot renew a certificate over the socket: expected a node, over TLS with the one that it has',
    );
  const { request } = parseCertificateRequest(await body());
  const node = parseNodeId(caller.name);
  const record = await readRecord(deps, node, signal);
  const addresses = [...new Set([record.advertise, ...record.addresses, record.hostname])];
  const certificate = await deps.certificates.sign({ node, addresses, request }, signal);
  deps.log.info({ node }, 'certificate renewed for a node');
  return { certificate };
}

/** A node that was removed from the cluster gets none: so the certificate of a machine that was lost comes to its end. */
async function readRecord({ store }: ApiDeps, node: NodeId, signal: AbortSignal): Promise<NodeRecord> {
  const { kv } = await store.kv.get(store.layout.nodeRecord(node), signal);
  if (kv !== undefined) return nodeRecordCodec.decode(kv.value, kv.key);
  throw new AgentError(
    'FORBIDDEN',
    `Cannot renew the certificate of node ${node}: expected one that the cluster knows`,
  );
}
