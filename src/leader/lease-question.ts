import {
  askLeases,
  type HeldLease,
  hasMissedRenewal,
  type LeaseAnswer,
  type LeaseTiming,
} from '../cluster/ask-leases.ts';
import type { LeaderKv } from '../cluster/commit-as-leader.ts';
import type { NodeId } from '../domain/ids.ts';
import type { MassLossSettings } from '../domain/node.ts';
import type { Clock } from '../loop/clock.ts';
import { isMassLoss } from './mass-loss.ts';

export interface LeaseQuestionOptions {
  readonly kv: LeaderKv;
  readonly clock: Clock;
  readonly settings: MassLossSettings;
  readonly timing: LeaseTiming;
  /** All answers that there will be are in. */
  readonly onEnd: () => void;
}

/** After so long nobody waits for the answers any more. */
const LIMIT_MS = 600;

/** "Who else is about to vanish?", asked once when nodes are lost: machines that die together lose their leases one by one. */
export class LeaseQuestion {
  /** On whose account it's asked. */
  readonly about: ReadonlySet<NodeId>;
  readonly #silent = new Map<NodeId, string>();
  #isAnswered = false;

  private constructor(about: ReadonlySet<NodeId>) {
    this.about = about;
  }

  /** @param known how many nodes there were before the loss: when the answer can't change any more, the rest isn't asked */
  static ask(
    {
      about,
      others,
      known,
    }: {
      readonly about: ReadonlySet<NodeId>;
      readonly others: readonly HeldLease[];
      readonly known: number;
    },
    { kv, clock, settings, timing, onEnd }: LeaseQuestionOptions,
    signal: AbortSignal,
  ): LeaseQuestion {
    const question = new LeaseQuestion(about);
    let left = others.length;
    const onAnswer = ({ node, leaseId }: HeldLease, answer: LeaseAnswer) => {
      left -= 1;
      if (hasMissedRenewal(answer, timing)) question.#silent.set(node, leaseId);
      const atLeast = about.size + question.#silent.size;
      return !isMassLoss(atLeast + left, known, settings);
    };
    const onDone = () => {
      question.#isAnswered = true;
      if (!signal.aborted) onEnd();
    };
    askLeases(others, { kv, clock, limitMs: LIMIT_MS, onAnswer }, signal).then(onDone, onDone);
    return question;
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Who has missed a renewal, with the lease that it was. */
  get silent(): ReadonlyMap<NodeId, string> {
    return this.#silent;
  }
}
