import type { Config } from '../config/read-config.ts';
import { errorText } from '../domain/errors.ts';
import { probeEndpoint } from '../etcd/probe-endpoint.ts';
import { systemClock } from '../loop/system-clock.ts';
import type { Facts } from './facts.ts';
import { isForbidden } from './is-forbidden.ts';
import { readEtcdTls } from './read-etcd-tls.ts';

/** Every endpoint by itself, side by side; or why this user can't ask them. */
export async function probeEtcd(
  config: Config,
  limitMs: number,
  signal: AbortSignal,
): Promise<Pick<Facts, 'etcd' | 'etcdForbidden'>> {
  try {
    const tls = await readEtcdTls(config);
    const key = `${config.prefix}/${config.cluster}/cluster`;
    const options = { limitMs, key, ...(tls === undefined ? {} : { tls }) };
    const probes = config.endpoints.map(async (endpoint) => probeEndpoint(endpoint, options, systemClock, signal));
    return { etcd: await Promise.all(probes) };
  } catch (error) {
    signal.throwIfAborted();
    if (isForbidden(error)) return { etcdForbidden: errorText(error) };
    return { etcd: config.endpoints.map((endpoint) => ({ endpoint, error: errorText(error) })) };
  }
}
