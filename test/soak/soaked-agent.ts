// The process that is soaked: one agent as it is composed, over a real etcd, on a machine without processes.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { composeAgent } from '../../src/agent/compose-agent.ts';
import { readConfig } from '../../src/config/read-config.ts';
import type { NodeId } from '../../src/domain/ids.ts';
import { openKv } from '../../src/etcd/open-kv.ts';
import { silentLog } from '../../src/loop/log.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import { FakeHost } from '../support/fake-host.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { openFakeRuntime } from '../support/fake-runtime.ts';
import { ListenerCensus } from './listener-census.ts';
import type { SoakReport, SoakRequest, SoakSample } from './messages.ts';

const census = new ListenerCensus();
census.begin();
const [endpoint = ''] = process.argv.slice(2);
const node = 'a'.repeat(32) as NodeId;
const flags = { cluster: 'soak', 'etcd-endpoints': endpoint, 'lease-ttl': '4s' };
const config = await readConfig({ path: '/nonexistent', isPathExplicit: false, environment: {}, flags });
const clock = systemClock;
const kv = openKv({ endpoints: config.endpoints, attemptMs: config.attemptMs }, clock, silentLog);
const host = new FakeHost({ nodeId: node, machineId: node, bootId: 'boot', hostname: 'soaked' });
const machines = { systemd: new FakeMachine({ clock }), docker: new FakeMachine({ clock, startMs: 1, stopMs: 1 }) };
const runtimes = (['systemd', 'docker'] as const).map((kind) => openFakeRuntime(machines[kind], config.cluster, kind));
const ports = {
  kv,
  runtimes,
  host,
  clock,
  log: silentLog,
  random: Math.random,
  makeNonce: () => `soak-${process.pid}`,
};
const agent = composeAgent(config, { node, version: '0', cpus: 2 }, ports);
const stop = new AbortController();

function tell(report: SoakReport): void {
  process.send?.(report);
}

const counts = { starts: 0, stops: 0 };

/** What the fakes remember for unit tests is none of the agent's memory. */
function forgetRecords(): void {
  const { calls } = machines.docker;
  counts.starts += calls.filter((call) => call.startsWith('start ')).length;
  counts.stops += calls.filter((call) => call.startsWith('stop ')).length;
  calls.length = 0;
  host.deadMansSwitch.calls.length = 0;
  host.notified.length = 0;
}

async function takeSample(): Promise<SoakSample> {
  for (let round = 0; round < 5; round += 1) {
    globalThis.gc?.();
    await delay(100);
  }
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const { heapUsed, rss } = process.memoryUsage();
  const fileDescriptors = readdirSync('/proc/self/fd').length;
  return { heapBytes: heapUsed, rssBytes: rss, fileDescriptors, resources, ...census.count() };
}

process.on('message', (request: SoakRequest) => {
  if (request === 'end') stop.abort();
  else
    takeSample().then(
      (sample) => tell({ kind: 'sample', sample }),
      (error: unknown) => process.emitWarning(String(error)),
    );
});
process.on('disconnect', () => process.exit(1));
const unwatch = agent.watch(() => {
  if (agent.state.leader) tell({ kind: 'joined' });
});
const report = setInterval(() => {
  forgetRecords();
  tell({ kind: 'running', count: machines.docker.running.length, ...counts });
}, 50);
await agent.run(stop.signal);
clearInterval(report);
unwatch();
kv.close();
process.disconnect?.();
