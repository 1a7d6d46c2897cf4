import { AgentError } from '../domain/errors.ts';

/** How the TTL is split, as parts of it, from when the last answered renewal was sent. */
export interface LeaseParts {
  readonly leaseRenewPart: number;
  readonly leaseAttemptPart: number;
  readonly leaseFencePart: number;
  readonly leaseKillPart: number;
}

/** Between two of its times, at least: of the shortest TTL, 2 s, that is 200 ms. */
const GAP = 0.1;

/** `INVALID_INPUT` for a split in which what must happen first doesn't, or has no time. */
export function checkLeaseSplit(parts: LeaseParts, source: string): void {
  const { leaseRenewPart: renew, leaseAttemptPart: attempt, leaseFencePart: fence, leaseKillPart: kill } = parts;
  const rules: readonly (readonly [isKept: boolean, expected: string])[] = [
    [attempt <= renew, 'lease.attempt to be at most lease.renew: an attempt is over before the next renewal is due'],
    [
      isAtLeast(fence, renew + attempt + GAP),
      'lease.fence to be at least lease.renew + lease.attempt + 10%: one renewal may fail, and the next must be answered before it',
    ],
    [isAtLeast(kill, fence + GAP), 'lease.kill to be at least lease.fence + 10%: "stop" instances end in between'],
    [isAtLeast(1 - GAP, kill), 'lease.kill to be at most 90%: the rest is the margin in which nothing of them runs'],
  ];
  const broken = rules.find(([isKept]) => !isKept);
  if (broken === undefined) return;
  const [shownRenew, shownAttempt, shownFence, shownKill] = [renew, attempt, fence, kill].map(percent);
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot split the TTL into lease.renew ${shownRenew}, lease.attempt ${shownAttempt}, lease.fence ${shownFence}, lease.kill ${shownKill} (${source}): expected ${broken[1]}`,
  );
}

/** Sums of tenths miss by the last bit. */
function isAtLeast(value: number, least: number): boolean {
  return value >= least - 1e-9;
}

function percent(part: number): string {
  return `${Math.round(part * 1_000) / 10}%`;
}
