import { AgentError } from '../domain/errors.ts';
import { apiSettings } from './api-settings.ts';
import { count, duration, flag, list, map, matching, NotExpected, part } from './parse-values.ts';
import { optional, type Setting, setting } from './setting.ts';

const clusterIdPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const absolutePath = matching(/^\/[^\0]*$/);

/** Every key there is. docs/configuration.md lists the same; a test compares them. */
export const settings = {
  cluster: setting(
    'cluster',
    '1 to 63 of a-z, 0-9 and "-", beginning and ending with a letter or digit',
    '',
    matching(clusterIdPattern),
    'The cluster that this machine musters into. Required.',
  ),
  endpoints: setting<readonly string[]>(
    'etcd.endpoints',
    'a list of http:// or https:// URLs, all of one scheme',
    ['http://127.0.0.1:2379'],
    endpoints,
    'Client URLs of etcd; several, so that one may be away.',
  ),
  prefix: setting(
    'etcd.prefix',
    'a path such as /muster, without a slash at its end',
    '/muster',
    matching(/^(\/[A-Za-z0-9_.-]+)+$/),
    'Where in etcd all clusters lie.',
  ),
  tlsCa: setting(
    'etcd.tls.ca',
    'the absolute path of a PEM file',
    undefined,
    optional(absolutePath),
    'The CA that signed the certificates of etcd.',
  ),
  tlsCert: setting(
    'etcd.tls.cert',
    'the absolute path of a PEM file',
    undefined,
    optional(absolutePath),
    "This machine's certificate; its CN is the user that etcd sees.",
  ),
  tlsKey: setting(
    'etcd.tls.key',
    'the absolute path of a PEM file',
    undefined,
    optional(absolutePath),
    'The key of that certificate.',
  ),
  tlsServerName: setting(
    'etcd.tls.serverName',
    'a DNS name',
    undefined,
    optional(matching(/^[A-Za-z0-9.-]+$/)),
    'The name to expect in the certificates of etcd, where it is not the one of the URL.',
  ),
  attemptMs: setting(
    'etcd.attempt',
    'a duration of 100ms to 30s, such as "2s"',
    2_000,
    duration(100, 30_000),
    'How long one endpoint has to answer before the next one is tried.',
  ),
  advertise: setting(
    'advertise',
    'an IP address or host name',
    undefined,
    optional(matching(/^[A-Za-z0-9.:-]+$/)),
    'The address that others should use; left out, the first one that is not loopback.',
  ),
  labels: setting<Readonly<Record<string, string>>>(
    'labels',
    'a map of names to texts, such as {zone: a}',
    {},
    map,
    'Labels of this node, for placement.',
  ),
  leader: setting('leader', 'true or false', true, flag, 'Whether this node may lead.'),
  socket: setting(
    'socket',
    'an absolute path',
    '/run/muster/muster.sock',
    absolutePath,
    "The API's unix socket, for root and the group muster.",
  ),
  ...apiSettings,
  ttlMs: setting(
    'lease.ttl',
    'a duration of 2s to 5m, such as "10s"',
    10_000,
    duration(2_000, 300_000),
    'How long a dead node counts as present. Only heeded by the agent that creates the cluster.',
  ),
  leaseRenewPart: setting(
    'lease.renew',
    'a part of the TTL of 5% to 50%, such as "25%"',
    0.25,
    part(0.05, 0.5),
    'When a lease is renewed, counted from when the last answered renewal was sent.',
  ),
  leaseAttemptPart: setting(
    'lease.attempt',
    'a part of the TTL of 5% to 50%, such as "20%"',
    0.2,
    part(0.05, 0.5),
    'How long one endpoint has to answer a renewal; the next one is asked before that.',
  ),
  leaseFencePart: setting(
    'lease.fence',
    'a part of the TTL of 20% to 80%, such as "60%"',
    0.6,
    part(0.2, 0.8),
    'When "stop" instances are told to end, if no renewal was answered since.',
  ),
  leaseKillPart: setting(
    'lease.kill',
    'a part of the TTL of 30% to 90%, such as "80%"',
    0.8,
    part(0.3, 0.9),
    'When "stop" instances are dead, SIGKILL included. What is left of the TTL is the margin.',
  ),
  agentAwayMs: setting(
    'agentAway',
    'a duration of 5s to 1h, such as "60s"',
    60_000,
    duration(5_000, 3_600_000),
    'How long an agent that was stopped may be away before its node counts as lost. Only heeded by the agent that creates the cluster.',
  ),
  massLossShare: setting(
    'massLoss.share',
    'a percentage of 1% to 99%, such as "50%"',
    undefined,
    optional(part(0.01, 0.99)),
    'When more than this part of the nodes vanish together, nothing of them is replaced for a while; left out, a third. Only heeded by the agent that creates the cluster.',
  ),
  massLossNodes: setting(
    'massLoss.nodes',
    'a whole number of 1 to 1000',
    2,
    count(1, 1_000),
    'And at least so many of them; 1000 turns it off for all but the largest clusters. Only heeded by the agent that creates the cluster.',
  ),
  massLossHoldMs: setting(
    'massLoss.hold',
    'a duration of 1s to 24h, such as "50s"',
    undefined,
    optional(duration(1_000, 24 * 3_600_000)),
    'For how long, unless they come back or an operator ends it; left out, two TTLs and 30 s. Only heeded by the agent that creates the cluster.',
  ),
  calmFirstMs: setting(
    'calm.first',
    'a duration of 0s to 24h, such as "30s"',
    30_000,
    duration(0, 24 * 3_600_000),
    'How long a node gets no new work after its second loss of late; twice as long after each further one. Only heeded by the agent that creates the cluster.',
  ),
  calmMostMs: setting(
    'calm.most',
    'a duration of 0s to 24h, such as "30m"',
    30 * 60_000,
    duration(0, 24 * 3_600_000),
    'The longest such time. Only heeded by the agent that creates the cluster.',
  ),
  shutdownGraceMs: setting(
    'shutdownGrace',
    'a duration of 1s to 10m, such as "30s"',
    30_000,
    duration(1_000, 600_000),
    'How long a machine that goes down waits for its "stop" instances to end.',
  ),
  stateFolder: setting(
    'stateFolder',
    'an absolute path',
    '/var/lib/muster',
    absolutePath,
    'Where the agent keeps what must outlive a reboot: a folder on a disk, not on tmpfs.',
  ),
  offlineStartAfterMs: setting(
    'offlineStart.after',
    'a duration of 1s to 1h, such as "30s"',
    30_000,
    duration(1_000, 3_600_000),
    'How long, from its start on, the agent waits for etcd before it starts instances with "offlineStart" from what it last knew.',
  ),
  parallelism: setting(
    'parallelism',
    'a whole number of 1 to 256',
    undefined,
    optional(count(1, 256)),
    'How many starts and stops begin side by side; left out, twice the number of CPUs.',
  ),
  dockerSocket: setting(
    'docker.socket',
    'an absolute path',
    '/run/docker.sock',
    absolutePath,
    "dockerd's socket. A machine without it runs units only.",
  ),
  dockerConfig: setting(
    'docker.config',
    'an absolute path',
    '/root/.docker/config.json',
    absolutePath,
    "Credentials for registries, in Docker's format.",
  ),
  logLevel: setting(
    'log.level',
    'one of debug, info, warn, error',
    'info',
    matching(/^(debug|info|warn|error)$/),
    'What is logged.',
  ),
} as const;

function endpoints(value: unknown): readonly string[] {
  const urls = list(value);
  const schemes = new Set(urls.map((url) => new URL(url).protocol));
  const isSound = urls.every((url) => /^https?:\/\/[^/@]+\/?$/.test(url));
  if (!isSound || schemes.size !== 1) throw new NotExpected();
  return urls.map((url) => url.replace(/\/$/, ''));
}

/** Keys that other tools have and that we refuse with the reason. */
export const refusedKeys: Readonly<Record<string, string>> = {
  'etcd.username':
    'client certificates: set etcd.tls.cert and etcd.tls.key, whose CN is the user (etcd --client-cert-auth)',
  'etcd.password':
    'client certificates: set etcd.tls.cert and etcd.tls.key, whose CN is the user (etcd --client-cert-auth)',
  'etcd.user':
    'client certificates: set etcd.tls.cert and etcd.tls.key, whose CN is the user (etcd --client-cert-auth)',
};

/** `etcd.endpoints` → `MUSTER_ETCD_ENDPOINTS`. */
export function environmentName(path: string): string {
  return `MUSTER_${path
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

/** `etcd.endpoints` → `etcd-endpoints`, the flag without its dashes. */
export function flagName(path: string): string {
  return path
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .replaceAll('.', '-')
    .toLowerCase();
}

/** What a map that holds itself looks like, JSON can't say. */
function show(value: unknown): string {
  try {
    return JSON.stringify(value)?.slice(0, 200) ?? String(value);
  } catch {
    return 'a value that holds itself';
  }
}

/** Parses one value, naming where it came from, the key, the value and what was expected. */
export function parseSetting<T>(one: Setting<T>, value: unknown, source: string): T {
  try {
    return one.parse(value);
  } catch (cause) {
    const shown = show(value);
    throw new AgentError('INVALID_INPUT', `Cannot use ${one.path} = ${shown} (${source}): expected ${one.expected}`, {
      cause,
    });
  }
}
