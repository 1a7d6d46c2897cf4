/** A key below the cluster's root and its value; bytes where it's no text. */
export interface Garbage {
  readonly path: string | Uint8Array;
  readonly value: string | Uint8Array;
  /** Whoever reads the key says so; absent: nobody reads it. */
  readonly isReported?: boolean;
}

/** What stands in the store and is as it should be. */
export interface Sound {
  /** A node that is up. */
  readonly node: string;
  /** The record of a workload, with one spec, that runs everywhere. */
  readonly workload: string;
  readonly spec: string;
}

/** Near what etcd takes at the most. */
const huge = 'x'.repeat(1_400_000);
const unknown = 'f'.repeat(32);
const bytes = Uint8Array.of(0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28);

const join = (path: string, more: Uint8Array): Uint8Array => Buffer.concat([Buffer.from(path), more]);

function order(spec: number | string): string {
  const at = new Date().toISOString();
  return JSON.stringify({ v: 1, order: 'run', spec, disconnect: 'keep', reason: 'by hand', at });
}

/** What the leader and the operator's commands read: workloads, specs, instances. */
function desired({ workload, spec }: Sound): Garbage[] {
  const copies = [{ node: unknown, role: 'current' }];
  return [
    { path: 'workloads/broken', value: '{"v":1,', isReported: true },
    { path: 'workloads/binary', value: bytes, isReported: true },
    { path: 'workloads/huge', value: huge, isReported: true },
    { path: 'workloads/future', value: '{"v":99}', isReported: true },
    { path: 'workloads/UPPER', value: workload, isReported: true },
    { path: 'workloads/../../etc/passwd', value: workload, isReported: true },
    { path: 'workloads/..%2f..', value: workload },
    { path: 'workloads/new\nline\u001b[2J', value: workload, isReported: true },
    { path: join('workloads/', bytes), value: workload },
    { path: 'workloads/specless.service', value: workload },
    { path: 'workloads/newer.service', value: workload },
    { path: 'specs/newer.service/0000000001', value: spec.replace('"v":1', '"v":99') },
    { path: 'specs/broken/0000000001', value: '[]' },
    { path: 'specs/huge/0000000001', value: huge },
    { path: 'instances/broken/0', value: 'null', isReported: true },
    { path: 'instances/steady.service', value: '{}', isReported: true },
    { path: 'instances/nowhere/0', value: JSON.stringify({ v: 1, copies, moves: [] }) },
    { path: `instances/huge/${'9'.repeat(2_000)}`, value: huge },
  ];
}

/** What nodes read and write: orders, statuses, who is there, who leads, what is held. */
function observed({ node }: Sound): Garbage[] {
  return [
    { path: 'nodes/not-a-node/record', value: '{}', isReported: true },
    { path: `nodes/${unknown}/record`, value: '{"v":1,"machineId":5}', isReported: true },
    { path: `nodes/${unknown}/presence`, value: '{"alive":true}', isReported: true },
    { path: `nodes/${unknown.replace('f', 'e')}/presence`, value: huge, isReported: true },
    { path: `nodes/${node}/settings`, value: '"on fire"', isReported: true },
    { path: `nodes/${node}/../presence`, value: bytes },
    { path: `assignments/${node}/broken/0`, value: '\u0000\u0001', isReported: true },
    { path: `assignments/${node}/binary/0`, value: bytes, isReported: true },
    { path: `assignments/${node}/future/0`, value: '{"v":99}', isReported: true },
    { path: `assignments/${node}/huge/0`, value: huge, isReported: true },
    { path: `assignments/${node}/nowhere.service/0`, value: order(1) },
    { path: `assignments/${node}/climbing/0`, value: order('../../etc/passwd'), isReported: true },
    { path: `assignments/${node}/../../etc/passwd`, value: order(1), isReported: true },
    { path: `assignments/${node}/..%2f..%2fetc/0`, value: order(1), isReported: true },
    { path: `assignments/${unknown}/nowhere/0`, value: order(1) },
    { path: `status/${node}/broken/0`, value: 'true' },
    { path: `status/${node}/ghost/0`, value: '{"v":1,"phase":"running"}', isReported: true },
    { path: `status/${unknown}/ghost/0`, value: huge, isReported: true },
    { path: 'election/0', value: 'garbage', isReported: true },
    { path: 'election/../../etc/passwd', value: '{}', isReported: true },
    { path: join('election/', bytes), value: bytes },
    { path: 'holds/mass-loss', value: 'garbage' },
    { path: 'holds/no-such-kind', value: huge },
    { path: 'unknown/key', value: 'value' },
    { path: 'cluster2', value: 'value' },
  ];
}

/** All that somebody may have written into a cluster by mistake, or to do it harm. */
export function makeGarbage(sound: Sound): Garbage[] {
  return [...desired(sound), ...observed(sound)];
}
