import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { Calls } from './calls.ts';
import { Endpoints } from './endpoints.ts';
import { EtcdKv } from './etcd-kv.ts';
import { type EtcdOptions, etcdDefaults } from './etcd-options.ts';
import type { Kv } from './port.ts';
import { Watches } from './watches.ts';

/** The store behind these endpoints. Connects with the first call; `close` ends every stream and connection. */
export function openKv(options: EtcdOptions, clock: Clock, log: Log): Kv {
  const { attemptMs, callMs, firstEndpoint, identityKey } = { ...etcdDefaults, ...options };
  const { tls, onEndpoint } = options;
  const endpoints = new Endpoints(options.endpoints, { tls, first: firstEndpoint, log, onEndpoint });
  const calls = new Calls(endpoints, clock, { attemptMs, callMs });
  const watches = new Watches({ endpoints, calls, clock, log, attemptMs });
  const hedging = { endpoints, calls, clock };
  return new EtcdKv({ endpoints, calls, hedging, watches, clock, identityKey });
}
