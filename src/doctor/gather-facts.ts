import { nodeRecordCodec } from '../cluster/codecs.ts';
import { makeLayout } from '../cluster/layout.ts';
import { type Config, readConfig } from '../config/read-config.ts';
import { settings } from '../config/settings.ts';
import { errorText } from '../domain/errors.ts';
import { type NodeId, parseNodeId } from '../domain/ids.ts';
import { openKv } from '../etcd/open-kv.ts';
import { silentLog } from '../loop/log.ts';
import { systemClock } from '../loop/system-clock.ts';
import { openClient } from '../wire/client.ts';
import { findAgentSources, type GivenSources } from './agent-sources.ts';
import type { AgentFacts, Fact, Facts, MachineIdFacts } from './facts.ts';
import { probeEtcd } from './probe-etcd.ts';
import { readCertificateFiles } from './read-certificate-files.ts';
import { readDocker } from './read-docker.ts';
import { readEtcdTls } from './read-etcd-tls.ts';
import { readAddresses, readCgroups, readClock, readDisk, readMachineId } from './read-machine.ts';
import { readSystemd } from './read-systemd.ts';

/** How long each part may take to answer. */
const LIMIT_MS = 3_000;

/** Looks at everything side by side; what can't be read is a fact too. */
export async function gatherFacts(
  given: GivenSources & { readonly version: string },
  signal: AbortSignal,
): Promise<Facts> {
  const sources = await findAgentSources(given);
  const config = await attempt(async () => readConfig(sources), signal);
  const known = config.value;
  const now = systemClock.wallTime();
  const [systemd, clock, cgroups, docker, certificates, etcd, agent, machineId] = await Promise.all([
    attempt(async () => readSystemd(systemClock, signal), signal),
    attempt(readClock, signal),
    readCgroups(),
    attempt(async () => readDocker(known?.dockerSocket ?? settings.dockerSocket.fallback, LIMIT_MS, signal), signal),
    known ? readCertificateFiles(known, now) : [],
    known && probeEtcd(known, LIMIT_MS, signal),
    known && attempt(async () => readAgent(known, signal), signal),
    attempt(async () => readMachine(known, signal), signal),
  ]);
  return {
    version: given.version,
    now,
    config: { path: sources.path, config, isNewerThanAgent: sources.isNewerThanAgent },
    ...(agent === undefined ? {} : { agent }),
    ...etcd,
    ...{ docker, clock, certificates, systemd, cgroups, machineId },
    disks: await readDisks(known, docker.value?.rootFolder),
    addresses: readAddresses(),
  };
}

async function readDisks(config: Config | undefined, dockerRoot: string | undefined) {
  return Promise.all([
    readDisk(config?.stateFolder ?? '/var/lib/muster', 'what the agent keeps over a reboot'),
    ...(dockerRoot === undefined ? [] : [readDisk(dockerRoot, 'images and containers')]),
    readDisk('/run', 'unit files and sockets'),
    readDisk('/var/log', 'logs'),
  ]);
}

async function readAgent(config: Config, signal: AbortSignal): Promise<AgentFacts> {
  const client = openClient({ socketPath: config.socket }, { timeoutMs: LIMIT_MS });
  try {
    const node = await client.node(signal);
    const nodes = node.joined
      ? await client.nodes({}, signal).then(
          (answer) => answer.nodes,
          () => undefined,
        )
      : undefined;
    return { node, ...(nodes === undefined ? {} : { nodes }) };
  } finally {
    client.close();
  }
}

/** Who this machine is, and what the cluster knows of that ID. */
async function readMachine(config: Config | undefined, signal: AbortSignal): Promise<MachineIdFacts> {
  const { nodeId, ...machine } = await readMachineId();
  if (config === undefined) return machine;
  const recorded = await readRecord(config, parseNodeId(nodeId), signal).catch(() => undefined);
  signal.throwIfAborted();
  return { ...machine, ...(recorded === undefined ? {} : { recorded }) };
}

async function readRecord(config: Config, node: NodeId, signal: AbortSignal): Promise<MachineIdFacts['recorded']> {
  const tls = await readEtcdTls(config);
  const limits = { attemptMs: LIMIT_MS / 3, callMs: LIMIT_MS };
  const kv = openKv(
    { endpoints: config.endpoints, ...limits, ...(tls === undefined ? {} : { tls }) },
    systemClock,
    silentLog,
  );
  try {
    const key = makeLayout(config.prefix, config.cluster).nodeRecord(node);
    const found = (await kv.get(key, signal)).kv;
    if (found === undefined) return undefined;
    const { hostname, productUuid } = nodeRecordCodec.decode(found.value, key);
    return { hostname, ...(productUuid === undefined ? {} : { productUuid }) };
  } finally {
    kv.close();
  }
}

/** The value, or why there is none. */
async function attempt<T>(read: () => Promise<T>, signal: AbortSignal): Promise<Fact<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    signal.throwIfAborted();
    return { error: errorText(error) };
  }
}
