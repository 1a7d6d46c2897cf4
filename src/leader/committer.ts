import { commitAsLeader, type LeaderKv, type LeaderTransaction, type Term } from '../cluster/commit-as-leader.ts';
import type { Layout } from '../cluster/layout.ts';
import type { Mirror } from '../cluster/mirror.ts';
import { errorCodeOf } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { Log } from '../loop/log.ts';
import type { Step, StepAction } from '../plan/plan-cluster-step.ts';
import { encodeStep } from './encode-step.ts';
import { PACK_LIMITS, packSteps } from './pack-steps.ts';

export interface CommitterOptions {
  readonly kv: LeaderKv;
  readonly layout: Layout;
  readonly mirror: Mirror;
  readonly term: Term;
  readonly log: Log;
  /** A step has been committed. */
  readonly onStep?: ((action: StepAction) => void) | undefined;
}

const messages: Readonly<Record<StepAction, string>> = {
  place: 'instance placed',
  adopt: 'instance adopted',
  move: 'instance moved',
  replace: 'instance replaced',
  reinstate: 'older copy of instance counts again',
  update: 'instance updated',
  resume: 'instance resumed',
  stop: 'instance ordered to stop',
  'stop-to-move': 'instance ordered to stop before it moves',
  'stop-superseded': 'replaced copy ordered to stop',
  receipt: 'stopped copy taken away',
  wait: 'instance waits',
  tidy: 'instance record corrected',
  forget: 'instance forgotten',
  'remove-workload': 'workload removed',
};

/** Writes steps into the store in one term, and knows how new a view must be to show them. */
export class Committer {
  readonly #options: CommitterOptions;
  #revision = 0;
  /** A key of a commit that wasn't answered: it may have been applied. */
  #unsure: string | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** Resolves once the mirror shows everything that this term has written. */
  async settle(signal: AbortSignal): Promise<void> {
    const { kv, mirror } = this.#options;
    if (this.#unsure !== undefined) {
      const { kv: found } = await kv.get(this.#unsure, signal);
      this.#revision = Math.max(this.#revision, found?.modRevision ?? 0);
      this.#unsure = undefined;
    }
    await mirror.waitFor(this.#revision, signal);
  }

  /**
   * Commits the steps in their order, as many as fit in a transaction together; a workload's end comes last. Stops at the first
   * lost compare, so that what is applied is a beginning of the plan; returns the workloads of what wasn't.
   */
  async commitSteps(steps: readonly Step[], signal: AbortSignal): Promise<ReadonlySet<WorkloadName>> {
    const { layout } = this.#options;
    const isEnd = (step: Step) => step.action === 'remove-workload';
    const ends = steps.filter(isEnd);
    const packs = packSteps(
      steps.filter((step) => !isEnd(step)).map((step) => encodeStep(layout, step)),
      PACK_LIMITS,
    );
    for (const [index, pack] of packs.entries()) {
      if (await this.commit(pack, signal)) for (const step of pack.steps) this.#logStep(step);
      else return workloadsOf([...packs.slice(index).flatMap((rest) => rest.steps), ...ends]);
    }
    for (const [index, step] of ends.entries()) {
      if (await this.#removeWorkload(step, signal)) this.#logStep(step);
      else return workloadsOf(ends.slice(index));
    }
    return new Set();
  }

  /** One transaction in this term; false when one of its own compares is lost. */
  async commit(txn: LeaderTransaction, signal: AbortSignal): Promise<boolean> {
    const { kv, term } = this.#options;
    try {
      const { applied, revision } = await commitAsLeader(kv, term, txn, signal);
      if (applied) this.#revision = Math.max(this.#revision, revision);
      return applied;
    } catch (error) {
      // A put shows whether it was applied; deletes alone only make room, and are compared again.
      if (errorCodeOf(error) !== 'FENCED') this.#unsure = txn.writes.flatMap((w) => ('put' in w ? [w.put] : []))[0];
      throw error;
    }
  }

  /** The workload goes with its specs, whichever there are; the specs that don't fit into one transaction first. */
  async #removeWorkload(step: Step, signal: AbortSignal): Promise<boolean> {
    const { kv, layout } = this.#options;
    const { compares, writes } = encodeStep(layout, step);
    const { kvs } = await kv.list(layout.specsOf(step.workload), signal);
    const specs = kvs.map(({ key }) => ({ delete: key }));
    const room = PACK_LIMITS.writes - writes.length;
    while (specs.length > room) {
      if (!(await this.commit({ compares, writes: specs.splice(0, room) }, signal))) return false;
    }
    return this.commit({ compares, writes: [...specs, ...writes] }, signal);
  }

  #logStep({ action, instance, workload, from, to, reason }: Step): void {
    const { log, term, onStep } = this.#options;
    onStep?.(action);
    log.info({ instance: instance ?? workload, from, to, reason, term: term.createRevision }, messages[action]);
  }
}

function workloadsOf(steps: readonly Step[]): ReadonlySet<WorkloadName> {
  return new Set(steps.map((step) => step.workload));
}
