/** What one metric is: docs/metrics.md says the same for people, and a test compares the two. */
export interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Names of its labels. Their values are of closed lists: no name of an instance, a workload or a node is one. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, in seconds. */
  readonly buckets?: readonly number[];
}

const passBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const callBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const operationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120];

const counter = <const L extends readonly string[]>(labels: L, help: string) =>
  ({ type: 'counter', labels, help }) as const;
const gauge = <const L extends readonly string[]>(labels: L, help: string) =>
  ({ type: 'gauge', labels, help }) as const;
const histogram = <const L extends readonly string[]>(labels: L, buckets: readonly number[], help: string) =>
  ({ type: 'histogram', labels, buckets, help }) as const;

/** Every metric of an agent. Units are Prometheus' base units: seconds and bytes. */
export const families = {
  muster_build_info: gauge(['version', 'commit'], 'The agent that answers; always 1.'),

  muster_loop_passes_total: counter(['loop'], 'Passes of a loop that have ended, be it by failing.'),
  muster_loop_pass_failures_total: counter(['loop'], 'Passes of a loop that have failed.'),
  muster_loop_pass_duration_seconds: histogram(['loop'], passBuckets, 'How long passes of a loop took.'),
  muster_loop_pass_running_seconds: gauge(['loop'], 'How long the pass under way has taken so far; 0 between two.'),

  muster_runtime_operations_total: counter(
    ['runtime', 'operation', 'outcome'],
    'Operations of a runtime that have ended.',
  ),
  muster_runtime_operation_duration_seconds: histogram(
    ['runtime', 'operation'],
    operationBuckets,
    'How long operations of a runtime took.',
  ),
  muster_runtime_up: gauge(['runtime'], 'Whether the runtime answered when it was last looked at.'),
  muster_instances: gauge(['phase'], 'Instances on this node by phase, as it reports them.'),
  muster_actions_in_flight: gauge([], 'Starts, stops and removals that have begun here and not ended.'),

  muster_node_state: gauge(['state'], 'Where this node stands with its cluster: 1 for the state that it is in.'),
  muster_node_fenced: gauge([], 'Whether this node must end its stop instances: its lease was not renewed in time.'),
  muster_lease_ttl_seconds: gauge([], 'How long a lease lasts unrenewed; absent before the node has first joined.'),
  muster_lease_age_seconds: gauge([], 'Since the last answered renewal of the lease was sent.'),
  muster_lease_fence_remaining_seconds: gauge(
    [],
    'Until this node must end its stop instances; negative once it must.',
  ),

  muster_leader: gauge([], 'Whether this node leads the cluster.'),
  muster_leader_term: gauge([], 'Revision of the store at which the term began; on the leader alone.'),
  muster_leader_terms_total: counter([], 'Terms in which this agent has led.'),
  muster_leader_steps_total: counter(['action'], 'What this agent has changed as leader, in steps of its plans.'),

  muster_cluster_nodes: gauge(['state'], 'Nodes that have ever joined, by state; on the leader alone.'),
  muster_cluster_nodes_unschedulable: gauge(['reason'], 'Nodes that get no new work, by reason; on the leader alone.'),
  muster_cluster_workloads: gauge(['desired'], 'Workloads, by what is desired of them; on the leader alone.'),
  muster_cluster_workloads_healthy: gauge(
    [],
    'Workloads to run of which as many instances as wanted are healthy; on the leader alone.',
  ),
  muster_cluster_instances: gauge(['phase'], 'Current copies of instances, by phase; on the leader alone.'),
  muster_cluster_instances_pending: gauge([], 'Instances that wait for a node; on the leader alone.'),
  muster_cluster_hold: gauge(['kind'], 'Whether the leader holds back replacements; on the leader alone.'),

  muster_etcd_request_duration_seconds: histogram(
    ['operation', 'outcome'],
    callBuckets,
    'How long calls to etcd took, over all their attempts.',
  ),
  muster_etcd_state: gauge(['state'], 'How etcd does, as this node sees it: 1 for the state that it is in.'),
  muster_etcd_endpoint_in_use: gauge(['endpoint'], 'The endpoint of etcd in use; always 1.'),
  muster_etcd_endpoint_changes_total: counter([], 'How often another endpoint of etcd came into use.'),
  muster_etcd_revision: gauge([], 'The newest revision of etcd that an answer has told.'),

  muster_api_requests_total: counter(['method', 'route', 'status'], 'Requests to the API that were answered.'),
  muster_api_request_duration_seconds: histogram(
    ['method', 'route'],
    callBuckets,
    'How long answers of the API took; of a stream: until it began.',
  ),
  muster_api_open_streams: gauge([], 'Streams of the API that are open.'),

  muster_certificate_renewal_timestamp_seconds: gauge(
    [],
    "When this node's certificate is due for renewal, in seconds since 1970; absent while it has none.",
  ),
  muster_certificate_expiry_timestamp_seconds: gauge(
    [],
    "When this node's certificate ends, in seconds since 1970; absent while it has none.",
  ),
  muster_ca_expiry_timestamp_seconds: gauge(
    [],
    "When the CA of this node's certificate ends, in seconds since 1970; absent while it has none.",
  ),

  process_cpu_seconds_total: counter([], 'CPU time of the agent, user and system.'),
  process_resident_memory_bytes: gauge([], 'Resident memory of the agent.'),
  process_resident_anonymous_memory_bytes: gauge([], 'The part of it that is no page of a file.'),
  process_virtual_memory_bytes: gauge([], 'Address space of the agent.'),
  process_open_fds: gauge([], 'File descriptors that are open.'),
  process_max_fds: gauge([], 'File descriptors that may be open.'),
  process_start_time_seconds: gauge([], 'When the agent started, in seconds since 1970.'),
  nodejs_heap_size_used_bytes: gauge([], "JavaScript's heap in use."),
  nodejs_heap_size_total_bytes: gauge([], "JavaScript's heap."),
  nodejs_eventloop_lag_seconds: gauge([], 'How much later than asked for a timer fired while this was read.'),
} as const satisfies Readonly<Record<string, Family>>;

export type FamilyName = keyof typeof families;
type NamesOf<Type extends Family['type']> = {
  [Name in FamilyName]: (typeof families)[Name]['type'] extends Type ? Name : never;
}[FamilyName];
export type CounterName = NamesOf<'counter'>;
export type HistogramName = NamesOf<'histogram'>;

/** Exactly the labels that a metric has. */
export type LabelsOf<Name extends FamilyName> = Readonly<Record<(typeof families)[Name]['labels'][number], string>>;
