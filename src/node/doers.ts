import { AgentError } from '../domain/errors.ts';
import { type InstanceKey, splitInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { NodeAction } from '../plan/plan-node.ts';
import type { NodeRuntime, StartOrder, StartProgress } from '../runtime/port.ts';
import type { Order } from './order-book.ts';
import { type ProveStartOptions, proveStart } from './prove-start.ts';
import type { SwitchKeeper } from './switch-keeper.ts';

/** What a doer is given: the order and the spec as they were when the action was planned. */
export interface Doing {
  readonly key: InstanceKey;
  readonly order: Order | undefined;
  readonly spec: StoredSpec | undefined;
}

/** One doer for each kind of action: a new kind doesn't compile until it has one. All are idempotent. */
export type Doers = Readonly<Record<NodeAction['kind'], (doing: Doing, signal: AbortSignal) => Promise<void>>>;

export interface DoersOptions extends ProveStartOptions {
  readonly runtimes: readonly NodeRuntime[];
  readonly clusterId: string;
  readonly switchKeeper: Pick<SwitchKeeper, 'during'>;
  readonly onProgress: (key: InstanceKey, progress: StartProgress) => void;
  /** The fencing token of the run that is about to begin. */
  readonly onToken: (key: InstanceKey, token: string) => void;
}

/** The doers over this node's runtimes. */
export function makeDoers(options: DoersOptions): Doers {
  const runtimeFor = (key: InstanceKey): NodeRuntime => {
    const kind = runtimeOf(key);
    const runtime = options.runtimes.find((candidate) => candidate.kind === kind);
    if (runtime === undefined)
      throw new AgentError('INTERNAL', `Cannot run "${displayName(key)}": expected the runtime ${kind} on this node`);
    return runtime;
  };
  return {
    install: (doing, signal) => runtimeFor(doing.key).install(installOrder(options, doing), signal),
    start: async ({ key, order, spec }, signal) => {
      if (order === undefined || spec === undefined)
        throw new AgentError('INTERNAL', `Cannot start "${displayName(key)}": expected its order and spec`);
      const { disconnect } = order.assignment;
      const start = async () => {
        const token = await proveStart(options, order, signal);
        options.onToken(key, token);
        const startOrder = {
          key,
          run: spec.run,
          specHash: spec.hash,
          disconnect,
          assignmentRevision: order.revision,
          environment: makeEnvironment(options, key, token),
          ...(spec.resolvedImage === undefined ? {} : { resolvedImage: spec.resolvedImage }),
        };
        await runtimeFor(key).start(startOrder, (progress) => options.onProgress(key, progress), signal);
      };
      await (disconnect === 'stop' ? options.switchKeeper.during(signal, start) : start());
    },
    stop: ({ key }, signal) => runtimeFor(key).stop(key, signal),
    remove: ({ key }, signal) => runtimeFor(key).remove(key, signal),
  };
}

/** Whatever starts it has this; a token is proven by each start of ours alone. */
function installOrder(options: DoersOptions, { key, order, spec }: Doing): StartOrder {
  if (order === undefined || spec === undefined)
    throw new AgentError('INTERNAL', `Cannot install "${displayName(key)}": expected its order and spec`);
  const { revision: assignmentRevision, assignment } = order;
  const { run, hash: specHash } = spec;
  const environment = makeEnvironment(options, key, undefined);
  return { key, run, specHash, disconnect: assignment.disconnect, assignmentRevision, environment };
}

/** What every instance can know of itself. */
function makeEnvironment(
  { clusterId, node }: DoersOptions,
  key: InstanceKey,
  token: string | undefined,
): Record<string, string> {
  const { workload, slot } = splitInstanceKey(key);
  return {
    MUSTER_CLUSTER: clusterId,
    MUSTER_NODE: node,
    MUSTER_WORKLOAD: workload,
    MUSTER_SLOT: slot,
    MUSTER_INSTANCE: displayName(key),
    ...(token === undefined ? {} : { MUSTER_FENCING_TOKEN: token }),
  };
}
