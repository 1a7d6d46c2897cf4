import { AgentError } from '../domain/errors.ts';
import {
  type ClusterId,
  type InstanceKey,
  makeInstanceKey,
  type NodeId,
  parseNodeId,
  parseSlot,
  parseWorkloadName,
  type WorkloadName,
} from '../domain/ids.ts';
import type { HoldKind } from '../domain/node.ts';
import type { LeaseId } from '../etcd/port.ts';

/** Where each thing lies in the store (DESIGN's etcd layout). Every range ends in `/`. */
export interface Layout {
  readonly root: string;
  readonly cluster: string;
  readonly nodes: string;
  readonly nodeRecord: (node: NodeId) => string;
  readonly presence: (node: NodeId) => string;
  readonly nodeSettings: (node: NodeId) => string;
  readonly verdict: (node: NodeId) => string;
  readonly election: string;
  readonly candidate: (lease: LeaseId) => string;
  readonly workloads: string;
  readonly workload: (name: WorkloadName) => string;
  readonly specs: string;
  readonly specsOf: (name: WorkloadName) => string;
  readonly spec: (name: WorkloadName, number: number) => string;
  readonly instances: string;
  readonly instance: (key: InstanceKey) => string;
  readonly assignments: string;
  readonly assignmentsOf: (node: NodeId) => string;
  readonly assignment: (node: NodeId, key: InstanceKey) => string;
  readonly statuses: string;
  readonly statusesOf: (node: NodeId) => string;
  readonly status: (node: NodeId, key: InstanceKey) => string;
  /** The last `stop` instance that the node began to start: what its fencing token's revision comes from. */
  readonly start: (node: NodeId) => string;
  readonly holds: string;
  readonly hold: (kind: HoldKind) => string;
}

/** The layout below `<prefix>/<cluster>/`. The prefix begins with a slash and doesn't end with one. */
export function makeLayout(prefix: string, clusterId: ClusterId): Layout {
  const root = `${prefix}/${clusterId}/`;
  const under = (kind: string) => `${root}${kind}/`;
  const nodes = under('nodes');
  const specs = under('specs');
  const assignments = under('assignments');
  const statuses = under('status');
  return {
    root,
    cluster: `${root}cluster`,
    nodes,
    nodeRecord: (node) => `${nodes}${node}/record`,
    presence: (node) => `${nodes}${node}/presence`,
    nodeSettings: (node) => `${nodes}${node}/settings`,
    verdict: (node) => `${nodes}${node}/verdict`,
    election: under('election'),
    candidate: (lease) => `${under('election')}${lease}`,
    workloads: under('workloads'),
    workload: (name) => `${under('workloads')}${name}`,
    specs,
    specsOf: (name) => `${specs}${name}/`,
    spec: (name, number) => `${specs}${name}/${String(number).padStart(10, '0')}`,
    instances: under('instances'),
    instance: (key) => `${under('instances')}${key}`,
    assignments,
    assignmentsOf: (node) => `${assignments}${node}/`,
    assignment: (node, key) => `${assignments}${node}/${key}`,
    statuses,
    statusesOf: (node) => `${statuses}${node}/`,
    status: (node, key) => `${statuses}${node}/${key}`,
    start: (node) => `${under('starts')}${node}`,
    holds: under('holds'),
    hold: (kind) => `${under('holds')}${kind}`,
  };
}

/** What a key below `nodes/` names. Throws `INVALID_INPUT` for a key that no agent of ours writes. */
export function parseNodeKey(
  layout: Layout,
  key: string,
): { readonly node: NodeId; readonly kind: 'record' | 'presence' | 'settings' | 'verdict' } {
  const [node, kind, more] = key.slice(layout.nodes.length).split('/');
  if (node === undefined || more !== undefined) throw foreign(key);
  if (kind === 'record' || kind === 'presence' || kind === 'settings' || kind === 'verdict')
    return { node: parseNodeId(node), kind };
  throw foreign(key);
}

/** The instance that a key below `range` (e.g. `instances/`) names. */
export function parseInstancePath(range: string, key: string): InstanceKey {
  const [workload, slot, more] = key.slice(range.length).split('/');
  if (workload === undefined || slot === undefined || more !== undefined) throw foreign(key);
  return makeInstanceKey(parseWorkloadName(workload), parseSlot(slot));
}

/** Node and instance of a key below `assignments/` or `status/`. */
export function parseNodeInstancePath(
  range: string,
  key: string,
): { readonly node: NodeId; readonly instance: InstanceKey } {
  const rest = key.slice(range.length);
  const at = rest.indexOf('/');
  if (at < 0) throw foreign(key);
  return { node: parseNodeId(rest.slice(0, at)), instance: parseInstancePath('', rest.slice(at + 1)) };
}

function foreign(key: string): AgentError {
  return new AgentError('INVALID_INPUT', `Cannot read key "${key.slice(0, 300)}": expected a key of muster's layout`);
}
