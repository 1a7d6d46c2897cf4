import type { SimMachine } from './sim-machine.ts';
import type { Storm } from './storm.ts';

/** One thing that can go wrong: does it and says what; undefined where it can't be done now. */
export type Fault = (storm: Storm) => string | undefined;

export type WeightedFault = readonly [weight: number, fault: Fault];

export const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

export function pickOn(storm: Storm): SimMachine | undefined {
  return storm.random.pick(storm.cluster.machines.filter((machine) => machine.isMoving && !machine.host.shutsDown));
}

export function pickWithAgent(storm: Storm): SimMachine | undefined {
  const { machines } = storm.cluster;
  return storm.random.pick(machines.filter((m) => m.hasAgent && !m.isStopping && !m.isFrozen && !m.host.shutsDown));
}

/** Two or more at once; none where fewer are on. */
export function pickSome(storm: Storm): readonly SimMachine[] {
  const on = storm.cluster.machines.filter((machine) => machine.isMoving && !machine.host.shutsDown);
  const chosen = on.filter(() => storm.random.chance(0.6));
  return chosen.length < 2 ? [] : chosen;
}
