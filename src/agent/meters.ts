import type { EndedCall } from '../cluster/tap-calls.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { outcomeOf } from '../metrics/outcome.ts';
import type { StepAction } from '../plan/plan-cluster-step.ts';

/** What the parts of an agent tell of what they have done, counted. */
export class Meters {
  /** Passes of each loop. */
  readonly nodePass: (tookMs: number, hasFailed: boolean) => void;
  readonly leaderPass: (tookMs: number, hasFailed: boolean) => void;
  readonly #metrics: Metrics;
  #revision = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.nodePass = this.#ofLoop('node');
    this.leaderPass = this.#ofLoop('leader');
    metrics.count('muster_leader_terms_total', {}, 0);
  }

  /** The newest revision of the store that an answer has told; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }

  readonly call = ({ operation, tookMs, failure, isLost, revision = 0 }: EndedCall): void => {
    const outcome = isLost ? 'lost' : outcomeOf(failure?.error, failure?.wasAborted === true);
    this.#metrics.time('muster_etcd_request_duration_seconds', { operation, outcome }, tookMs);
    this.#revision = Math.max(this.#revision, revision);
  };

  readonly step = (action: StepAction): void => {
    this.#metrics.count('muster_leader_steps_total', { action });
  };

  termBegan(): void {
    this.#metrics.count('muster_leader_terms_total', {});
  }

  #ofLoop(loop: 'node' | 'leader'): Meters['nodePass'] {
    const metrics = this.#metrics;
    const labels = { loop };
    metrics.count('muster_loop_passes_total', labels, 0);
    metrics.count('muster_loop_pass_failures_total', labels, 0);
    return (tookMs, hasFailed) => {
      metrics.count('muster_loop_passes_total', labels);
      if (hasFailed) metrics.count('muster_loop_pass_failures_total', labels);
      metrics.time('muster_loop_pass_duration_seconds', labels, tookMs);
    };
  }
}
