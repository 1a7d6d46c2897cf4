import { readFile } from 'node:fs/promises';
import type { Config } from '../config/read-config.ts';
import type { EtcdTls } from '../etcd/etcd-options.ts';

/** What the agent would show etcd; undefined without TLS. */
export async function readEtcdTls(config: Config): Promise<EtcdTls | undefined> {
  if (config.tlsCa === undefined) return undefined;
  const pair =
    config.tlsCert === undefined || config.tlsKey === undefined
      ? {}
      : { cert: await readFile(config.tlsCert, 'utf8'), key: await readFile(config.tlsKey, 'utf8') };
  const serverName = config.tlsServerName === undefined ? {} : { serverName: config.tlsServerName };
  return { ca: await readFile(config.tlsCa, 'utf8'), ...pair, ...serverName };
}
