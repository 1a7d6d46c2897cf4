import type { LeaderCompare, LeaderTransaction, LeaderWrite } from '../cluster/commit-as-leader.ts';
import type { Step } from '../plan/plan-cluster-step.ts';

/** A step in the words of the store. */
export interface EncodedStep {
  readonly step: Step;
  readonly compares: readonly LeaderCompare[];
  readonly writes: readonly LeaderWrite[];
}

/** Whole steps that are committed together. */
export interface Pack extends LeaderTransaction {
  readonly steps: readonly Step[];
}

export interface PackLimits {
  readonly writes: number;
  /** Without the term's own. */
  readonly compares: number;
  readonly sizeBytes: number;
}

/** etcd takes 128 of each, and 1.5 MiB. */
export const PACK_LIMITS: PackLimits = { writes: 100, compares: 120, sizeBytes: 512 * 1024 };

/** Packs steps into as few transactions as the limits allow, in their order. A step is never split. */
export function packSteps(steps: Iterable<EncodedStep>, limits: PackLimits): Pack[] {
  const packs: Pack[] = [];
  let open = new OpenPack();
  for (const step of steps) {
    if (!open.isEmpty && !open.hasRoomFor(step, limits)) {
      packs.push(open.close());
      open = new OpenPack();
    }
    open.add(step);
  }
  if (!open.isEmpty) packs.push(open.close());
  return packs;
}

class OpenPack {
  readonly #steps: Step[] = [];
  readonly #writes: LeaderWrite[] = [];
  readonly #compares = new Map<string, LeaderCompare>();
  #sizeBytes = 0;

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  hasRoomFor({ compares, writes }: EncodedStep, limits: PackLimits): boolean {
    const added = compares.filter((compare) => !this.#compares.has(identityOf(compare))).length;
    return (
      this.#writes.length + writes.length <= limits.writes &&
      this.#compares.size + added <= limits.compares &&
      this.#sizeBytes + sizeOf(writes) <= limits.sizeBytes
    );
  }

  add({ step, compares, writes }: EncodedStep): void {
    this.#steps.push(step);
    this.#writes.push(...writes);
    for (const compare of compares) this.#compares.set(identityOf(compare), compare);
    this.#sizeBytes += sizeOf(writes);
  }

  close(): Pack {
    return { steps: this.#steps, compares: [...this.#compares.values()], writes: this.#writes };
  }
}

function identityOf(compare: LeaderCompare): string {
  return JSON.stringify(compare);
}

/** Roughly, in bytes of UTF-8: keys and values with some for the framing. */
function sizeOf(writes: readonly LeaderWrite[]): number {
  let size = 0;
  for (const write of writes)
    size += 32 + ('put' in write ? write.put.length + 3 * write.value.length : write.delete.length);
  return size;
}
