import type { DesiredState } from '../../cluster/desired-state.ts';
import type { NodeId } from '../../domain/ids.ts';
import type { InstanceStatus } from '../../domain/status.ts';
import { type Copy, copiesOf, type UnitFacts } from './facts.ts';
import type { JobState } from './shapes.ts';

/** Where a unit stands, and on which node. */
export interface Standing {
  readonly state: JobState;
  readonly node?: NodeId;
}

/**
 * Who asks: fleet's client looks a unit up while it waits for it, and asks once for all of them before it changes one. Whoever waits
 * for a start is told `launched` only when the unit is up or has failed, since its client gives that no more than 2 s from there on.
 */
export interface Asking {
  readonly forStart: boolean;
  readonly nowMs: number;
}

/** A start that takes longer than this is called launched nevertheless: nobody should wait for ever. */
const START_PATIENCE_MS = 30_000;

const order: readonly JobState[] = ['inactive', 'loaded', 'launched'];

/** What is desired of a unit, in fleet's words. */
export function desiredState({ kind, workload }: UnitFacts): JobState {
  if (kind === 'template' || workload.desired === 'stop') return 'inactive';
  return workload.launch === false ? 'loaded' : 'launched';
}

/** What is so, in fleet's words; of a unit that is on several nodes, what all of them have come to. */
export function standingOf(state: DesiredState, facts: UnitFacts, asking: Asking): Standing {
  const copies = facts.keys.flatMap((key) => copiesOf(state, key)).filter(({ isCurrent }) => isCurrent);
  const standings = copies.map((copy) => copyStanding(copy, asking));
  const sorted = standings.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return sorted[0] ?? { state: 'inactive' };
}

function copyStanding(copy: Copy, asking: Asking): Standing {
  const { node, assignment, status } = copy;
  if (assignment === undefined) return { state: 'inactive' };
  if (status === undefined) return { state: 'inactive', node };
  const isAnswered = status.value.assignmentRevision === assignment.modRevision;
  const { order: ordered, launch } = assignment.value;
  if (ordered === 'stop') {
    const state = isAnswered && status.value.phase === 'stopped' ? 'inactive' : standsAs(status.value);
    return state === 'inactive' ? { state } : { state, node };
  }
  if (launch === false) return { state: loadedState(status.value, isAnswered), node };
  return { state: launchedState(status.value, isAnswered, asking), node };
}

/** What it was before an order that its node hasn't answered. */
function standsAs({ loaded, phase }: InstanceStatus): JobState {
  if (loaded === true || phase === 'stopped' || phase === 'failed') return 'loaded';
  return phase === 'pending' || phase === 'pulling' ? 'inactive' : 'launched';
}

/** To be loaded: what is still up is still launched. */
function loadedState(status: InstanceStatus, isAnswered: boolean): JobState {
  if (status.loaded === true) return isAnswered ? 'loaded' : standsAs(status);
  return status.phase === 'running' || status.phase === 'stopping' ? 'launched' : 'inactive';
}

/** To be launched: it's so once it was started, whatever came of it. */
function launchedState(status: InstanceStatus, isAnswered: boolean, { forStart, nowMs }: Asking): JobState {
  if (status.loaded === true) return 'loaded';
  switch (status.phase) {
    case 'running':
    case 'stopping':
      return 'launched';
    case 'stopped':
    case 'failed':
      return isAnswered ? 'launched' : 'inactive';
    case 'starting':
      return forStart && isFirstStart(status) && nowMs - instantMs(status.since) < START_PATIENCE_MS
        ? 'loaded'
        : 'launched';
    default:
      return 'inactive';
  }
}

function isFirstStart({ restarts, failures = 0, lastError }: InstanceStatus): boolean {
  return restarts === 0 && failures === 0 && lastError === undefined;
}

function instantMs(at: string): number {
  try {
    return Temporal.Instant.from(at).epochMilliseconds;
  } catch {
    return 0; // long ago
  }
}
