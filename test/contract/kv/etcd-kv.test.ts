import { after, before, suite } from 'node:test';
import { openKv } from '../../../src/etcd/open-kv.ts';
import type { Kv } from '../../../src/etcd/port.ts';
import { RawClient } from '../../../src/etcd/raw-client.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { EtcdServer, hasEtcd } from '../../support/etcd-server.ts';
import { eventually } from '../../support/eventually.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { type KvHarness, kvContract } from './suite.ts';

// Not at the top of the file: where no test is wanted, what is started there is never ended.
suite('etcd: the contract of the store', { skip: hasEtcd() ? false : 'lacks etcd (Debian: etcd-server)' }, runSuite);

function runSuite(): void {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let raw: RawClient;
  const clients: Kv[] = [];

  before(async () => {
    server = await EtcdServer.start();
    const [endpoint] = server.endpoints as [string];
    raw = new RawClient(endpoint, undefined);
    proxy = await TcpProxy.open(server.members[0]!.clientPort);
  });
  after(async () => {
    for (const client of clients) client.close();
    raw?.close();
    await proxy?.close();
    await server?.close();
  });

  function etcdHarness(): KvHarness {
    return {
      open: () => {
        const options = { endpoints: [`http://127.0.0.1:${proxy.port}`], attemptMs: 1_500, callMs: 4_000 };
        const client = openKv(options, systemClock, silentLog);
        clients.push(client);
        return client;
      },
      compact: async (revision) => {
        await raw.unary('KV', 'compact', { revision: String(revision), physical: true }).answer;
      },
      breakConnections: () => proxy.cut(),
      cutOff: () => proxy.stop(),
      reconnect: () => proxy.go(),
      loseAnswers: () => proxy.stop('answers'),
      until: async (what, limitMs, condition) => {
        await eventually(what, limitMs, condition);
      },
      soon: (promise) => promise,
    };
  }

  kvContract('etcd', etcdHarness);
}
