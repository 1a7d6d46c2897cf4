import { specCodec } from '../../src/cluster/codecs.ts';
import { makeInstanceKey, parseClusterId, parseSlot, parseWorkloadName } from '../../src/domain/ids.ts';
import type { ContainerSpec } from '../../src/domain/spec.ts';
import { makeContainerBody } from '../../src/runtime/docker/make-container-body.ts';
import type { BenchCluster } from './bench-cluster.ts';

/** A container that sleeps, and that is dead at once when it's told to stop. */
export const sleepContainer: ContainerSpec = {
  kind: 'container',
  image: 'busybox:1',
  command: ['sleep', 'infinity'],
  environment: {},
  labels: {},
  ports: [],
  mounts: [],
  stopSignal: 'SIGKILL',
  stopGraceMs: 1_000,
  readOnlyRoot: false,
  capAdd: [],
  capDrop: [],
  extraHosts: [],
  logging: { driver: 'journald', options: {} },
};

/** What the agent itself would ask dockerd for, of a cluster that no agent looks after. */
export async function makeBaselineBody(bench: BenchCluster, workload: string): Promise<object> {
  const range = bench.layout.specsOf(parseWorkloadName(workload));
  const { kvs } = await bench.kv.list(range, AbortSignal.timeout(5_000));
  const [stored] = kvs;
  if (stored === undefined) throw new Error(`Cannot find the spec of "${workload}" in the store`);
  const { hash, resolvedImage } = specCodec.decode(stored.value, stored.key);
  const key = makeInstanceKey(parseWorkloadName('base'), parseSlot('0'));
  const order = {
    key,
    run: sleepContainer,
    specHash: hash,
    disconnect: 'keep',
    assignmentRevision: 1,
    environment: {
      MUSTER_CLUSTER: 'baseline',
      MUSTER_NODE: '0'.repeat(32),
      MUSTER_WORKLOAD: 'base',
      MUSTER_SLOT: '0',
      MUSTER_INSTANCE: 'base.0',
    },
    ...(resolvedImage === undefined ? {} : { resolvedImage }),
  } as const;
  return makeContainerBody(parseClusterId('baseline'), order, sleepContainer);
}
