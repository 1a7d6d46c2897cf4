import type { LeaderWrite } from '../cluster/commit-as-leader.ts';
import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import type { Assignment, InstanceRecord } from '../domain/spec.ts';
import type { Clock } from '../loop/clock.ts';
import type { InstanceView } from '../plan/cluster-view.ts';
import { planCluster } from '../plan/plan-cluster.ts';
import type { PlanProblem, Step, StepAction } from '../plan/plan-cluster-step.ts';
import { encodeStep } from './encode-step.ts';
import { ForecastWorld, type StoreSnapshot } from './forecast-world.ts';

/** What is to be forecast. */
export interface ForecastInput extends StoreSnapshot {
  /** What would be written of what is desired, and of which workloads; these are looked at also where nothing would be. */
  readonly changes: readonly LeaderWrite[];
  readonly workloads: ReadonlySet<WorkloadName>;
  readonly clock: Clock;
  /** Then it's given up, and what is known by then is the forecast. */
  readonly limitMs: number;
}

/** Where an instance counts as being, and what it's ordered there. */
export interface Place {
  readonly node: NodeId;
  readonly order: Assignment;
}

/** What becomes of one instance to which something happens. */
export interface InstanceForecast {
  readonly key: InstanceKey;
  readonly before: Place | undefined;
  readonly after: Place | undefined;
  /** Why it waits at the end, node by node. */
  readonly pending: InstanceRecord['pending'];
  /** Why the first thing happens to it that people would notice. */
  readonly reason: string | undefined;
}

/** What would happen, were all to go well that is ordered. */
export interface Forecast {
  readonly instances: readonly InstanceForecast[];
  readonly problems: readonly PlanProblem[];
  /** False: given up before its end. */
  readonly isComplete: boolean;
}

/** Rounds in which all wait for their turn; from then on what is to be updated needn't: its end is the same, and sooner there. */
const PATIENT_ROUNDS = 3;

/** A plan that hasn't come to its end by then goes round in circles. */
const MOST_ROUNDS = 2_000;

/** Nobody would notice these. */
const quiet: ReadonlySet<StepAction> = new Set<StepAction>(['tidy', 'receipt', 'forget', 'wait', 'remove-workload']);

interface Touched {
  readonly before: Place | undefined;
  reason: string | undefined;
}

/**
 * Plans with the real planner, has nodes obey, and plans again until nothing is left to do: from the present state with the changes
 * put in place. Lets others have their turn between two rounds.
 */
export async function forecast(input: ForecastInput, signal: AbortSignal): Promise<Forecast> {
  const { clock, limitMs, changes } = input;
  const run = new ForecastRun(input);
  const endsAtMs = clock.monotonicMs() + limitMs;
  run.world.write(changes);
  run.world.markDirty(input.workloads);
  for (let round = 1; ; round += 1) {
    if (!run.round(round > PATIENT_ROUNDS)) return run.result(true);
    if (round >= MOST_ROUNDS || clock.monotonicMs() >= endsAtMs) return run.result(false);
    await clock.sleep(0, signal);
    signal.throwIfAborted();
  }
}

class ForecastRun {
  readonly world: ForecastWorld;
  readonly #input: ForecastInput;
  readonly #touched = new Map<InstanceKey, Touched>();
  readonly #problems = new Map<string, PlanProblem>();
  readonly #concerned: Set<WorkloadName>;

  constructor(input: ForecastInput) {
    this.#input = input;
    this.world = new ForecastWorld(input);
    this.#concerned = new Set(input.workloads);
  }

  /** Plans once and has it carried out; false when nothing was left to do. */
  round(hurry: boolean): boolean {
    const view = this.world.view();
    const { steps, problems } = planCluster(view, this.world.takeDirty());
    for (const problem of problems) this.#problems.set(`${problem.workload} ${problem.instance ?? ''}`, problem);
    for (const step of steps) this.#note(step, placeOf(instanceOf(view.workloads, step.instance)));
    for (const step of steps) {
      const { writes } = encodeStep(this.#input.layout, step);
      this.world.write(writes);
      this.world.obey(writes.flatMap((write) => ('put' in write ? [write.put] : [])));
    }
    const settled = [...this.#concerned].filter((name) => this.world.settle(name, hurry));
    return steps.length > 0 || settled.length > 0;
  }

  result(isComplete: boolean): Forecast {
    const { workloads } = this.world.view();
    const waiting = [...this.#input.workloads].flatMap((name) => [...(workloads.get(name)?.instances.values() ?? [])]);
    for (const instance of waiting) {
      const isNew = !this.#touched.has(instance.key) && instance.record?.value.pending !== undefined;
      if (isNew) this.#touched.set(instance.key, { before: placeOf(instance), reason: undefined });
    }
    const instances = [...this.#touched].map(([key, { before, reason }]): InstanceForecast => {
      const instance = instanceOf(workloads, key);
      return { key, before, after: placeOf(instance), pending: instance?.record?.value.pending, reason };
    });
    return { instances, problems: [...this.#problems.values()], isComplete };
  }

  #note({ workload, instance, action, reason }: Step, before: Place | undefined): void {
    this.#concerned.add(workload);
    if (instance === undefined) return;
    const touched = this.#touched.get(instance) ?? { before, reason: undefined };
    if (!quiet.has(action)) touched.reason ??= reason;
    this.#touched.set(instance, touched);
  }
}

function instanceOf(
  workloads: ReturnType<ForecastWorld['view']>['workloads'],
  key: InstanceKey | undefined,
): InstanceView | undefined {
  if (key === undefined) return undefined;
  const { workload, slot } = splitInstanceKey(key);
  return workloads.get(workload)?.instances.get(slot);
}

/** Undefined for one that is nowhere, or only to stop. */
function placeOf(instance: InstanceView | undefined): Place | undefined {
  const { record, copies } = instance ?? {};
  const current = record?.value.copies.find(({ role }) => role === 'current')?.node;
  const assigned = [...(copies?.values() ?? [])].find(({ node, assignment }) => {
    if (assignment?.value.order !== 'run' || assignment.value.superseded === true) return false;
    return current === undefined || node === current;
  });
  const order = assigned?.assignment?.value;
  return assigned === undefined || order === undefined ? undefined : { node: assigned.node, order };
}
