import { SeededRandom } from '../sim/seeded-random.ts';

/** Everything that a storm does. */
export const faultKinds = [
  'power-off',
  'freeze',
  'reboot',
  'cut-off',
  'cut-from-node',
  'cut-to-node',
  'agent-kill',
  'agent-freeze',
  'agent-restart',
  'docker-kill',
  'docker-freeze',
  'docker-restart',
  'etcd-kill',
  'etcd-freeze',
  'etcd-restart',
  'clock-step',
  'depose',
  'leader-freeze',
  'disk-full',
  'spec-change',
  'drain',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** One fault, before it's known what it will meet. */
export interface PlannedFault {
  readonly round: number;
  /** From the beginning of its round. */
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Which node, from 0 on; of `depose` and `leader-freeze`: whichever leads then. */
  readonly node: number;
  /** How long it lasts; 0: it's over at once. */
  readonly forMs: number;
  /** For those that need one: which way the clock is stepped, which workload is changed. */
  readonly pick: number;
}

interface Shape {
  readonly weight: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** It takes the node's member out of etcd. */
  readonly stopsMember: boolean;
  /** Nothing else is done to the machine meanwhile, and for so long afterwards, in which it boots. */
  readonly restMs?: number;
}

const shapes: Readonly<Record<FaultKind, Shape>> = {
  'power-off': { weight: 3, minMs: 500, maxMs: 25_000, stopsMember: true, restMs: 20_000 },
  freeze: { weight: 4, minMs: 1_000, maxMs: 60_000, stopsMember: true, restMs: 2_000 },
  reboot: { weight: 2, minMs: 0, maxMs: 0, stopsMember: true, restMs: 30_000 },
  'cut-off': { weight: 4, minMs: 1_000, maxMs: 40_000, stopsMember: true, restMs: 1_000 },
  'cut-from-node': { weight: 2, minMs: 1_000, maxMs: 30_000, stopsMember: true, restMs: 1_000 },
  'cut-to-node': { weight: 2, minMs: 1_000, maxMs: 30_000, stopsMember: true, restMs: 1_000 },
  'agent-kill': { weight: 4, minMs: 0, maxMs: 0, stopsMember: false },
  'agent-freeze': { weight: 4, minMs: 1_000, maxMs: 40_000, stopsMember: false },
  'agent-restart': { weight: 2, minMs: 0, maxMs: 0, stopsMember: false },
  'docker-kill': { weight: 2, minMs: 0, maxMs: 0, stopsMember: false },
  'docker-freeze': { weight: 3, minMs: 1_000, maxMs: 30_000, stopsMember: false },
  'docker-restart': { weight: 1, minMs: 0, maxMs: 0, stopsMember: false },
  'etcd-kill': { weight: 3, minMs: 0, maxMs: 0, stopsMember: true },
  'etcd-freeze': { weight: 3, minMs: 1_000, maxMs: 20_000, stopsMember: true },
  'etcd-restart': { weight: 1, minMs: 0, maxMs: 0, stopsMember: true },
  'clock-step': { weight: 2, minMs: 5_000, maxMs: 30_000, stopsMember: false },
  depose: { weight: 3, minMs: 0, maxMs: 0, stopsMember: false },
  'leader-freeze': { weight: 2, minMs: 1_000, maxMs: 40_000, stopsMember: false },
  'disk-full': { weight: 1, minMs: 2_000, maxMs: 20_000, stopsMember: false },
  'spec-change': { weight: 3, minMs: 0, maxMs: 0, stopsMember: false },
  drain: { weight: 2, minMs: 5_000, maxMs: 30_000, stopsMember: false },
};

const meanGapMs = 2_000;
/** How often etcd may lose its majority: of the faults that would cost it. */
const majorityLossChance = 0.15;
/** What a member needs to be one again. */
const memberReturnMs = 5_000;
const members = 3;

/** What a round is planned from. */
export interface RoundSettings {
  readonly seed: number;
  readonly round: number;
  readonly nodes: number;
  readonly lengthMs: number;
}

interface Busy {
  readonly node: number;
  readonly untilMs: number;
}

/** The faults of one round, by time: the same ones for the same settings. All are over by the end of the round. */
export function planRound({ seed, round, nodes, lengthMs }: RoundSettings): PlannedFault[] {
  const random = new SeededRandom(seed * 1_000 + round);
  const faults: PlannedFault[] = [];
  let machines: Busy[] = [];
  let membersOut: Busy[] = [];
  for (let atMs = 500; ; ) {
    atMs += Math.round(-Math.log(1 - random.next()) * meanGapMs);
    if (atMs >= lengthMs) return faults;
    const kind = random.weighted(faultKinds.map((each) => [shapes[each].weight, each] as const));
    const node = random.int(0, nodes - 1);
    const pick = random.int(0, 999_999);
    const shape = shapes[kind];
    // Short ones are more frequent than long ones: much of what breaks does so around the TTL.
    const wantedMs = Math.round(shape.minMs + (shape.maxMs - shape.minMs) * random.next() ** 2);
    const forMs = Math.min(wantedMs, lengthMs - atMs);
    const mayLoseMajority = random.chance(majorityLossChance);
    machines = machines.filter(({ untilMs }) => untilMs > atMs);
    membersOut = membersOut.filter(({ untilMs }) => untilMs > atMs);
    if (machines.some((busy) => busy.node === node)) continue;
    const takesMember = shape.stopsMember && node < members;
    const othersOut = new Set(membersOut.map((busy) => busy.node)).size;
    if (takesMember && othersOut > 0 && !(mayLoseMajority && membersOut.every((busy) => busy.node !== node))) continue;
    const restMs = shape.restMs;
    if (restMs !== undefined) machines.push({ node, untilMs: atMs + forMs + restMs });
    if (takesMember) membersOut.push({ node, untilMs: atMs + forMs + Math.max(restMs ?? 0, memberReturnMs) });
    faults.push({ round, atMs, kind, node, forMs, pick });
  }
}
