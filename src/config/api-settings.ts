import { count, duration, matching, NotExpected } from './parse-values.ts';
import { optional, setting } from './setting.ts';

/** Where a listener listens. */
export interface ListenAddress {
  /** An address or a name, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** The port unless another one is said. */
export const API_PORT = 2773;

const pemFile = matching(/^\/[^\0]*$/);
const pemForm = 'the absolute path of a PEM file';

/** The keys of the API over TCP and of certificates. */
export const apiSettings = {
  apiListen: setting(
    'api.listen',
    'an address and a port, such as 0.0.0.0:2773 or [::]:2773',
    undefined,
    optional(listenAddress),
    'Where the API listens on TCP, with mutual TLS; left out, only the unix socket is there. Without a port: 2773.',
  ),
  apiTlsCa: setting(
    'api.tls.ca',
    pemForm,
    '/etc/muster/pki/ca.pem',
    pemFile,
    "The cluster's CA, of which clients and nodes have their certificates; several in one file while it's being replaced.",
  ),
  apiTlsCert: setting(
    'api.tls.cert',
    pemForm,
    '/etc/muster/pki/node.pem',
    pemFile,
    "This node's certificate. The agent renews it, and takes a new one without a restart.",
  ),
  apiTlsKey: setting('api.tls.key', pemForm, '/etc/muster/pki/node-key.pem', pemFile, 'The key of that certificate.'),
  apiRequestRate: setting(
    'api.requestRate',
    'a whole number of 1 to 100000',
    200,
    count(1, 100_000),
    'Requests a second for each certificate, and for each connection of the unix socket; twice as many at once.',
  ),
  apiConnections: setting(
    'api.connections',
    'a whole number of 16 to 65536',
    1_024,
    count(16, 65_536),
    'Connections at once over TCP. One certificate may have an eighth of them; an address, before it has shown one, a sixteenth.',
  ),
  pkiCaKey: setting(
    'pki.caKey',
    pemForm,
    undefined,
    optional(pemFile),
    "The key of the cluster's CA, on the few nodes that renew the certificates of all; left out, this node renews only its own, from one of them.",
  ),
  pkiLifetimeMs: setting(
    'pki.lifetime',
    'a duration of 10s to 90d, such as "7d"',
    7 * 24 * 3_600_000,
    duration(10_000, 90 * 24 * 3_600_000),
    'How long the certificates are good that this node signs. They are renewed when two thirds are over.',
  ),
} as const;

function listenAddress(value: unknown): ListenAddress {
  const text = matching(/^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?$/)(value);
  const [, host = '', port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  const number = port === undefined ? API_PORT : Number(port);
  if (number < 1 || number > 65_535) throw new NotExpected();
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: number };
}
