import type { DisconnectMode } from '../domain/spec.ts';
import type { NodeView } from './cluster-view.ts';

/** A node whose presence is gone so long is lost for `keep` instances: shorter is a registration that is being renewed. */
export const KEEP_LOST_AFTER_MS = 1_000;

/**
 * `present`: its agent answers, or is expected back soon. `leaving`: the machine shuts down. `missing`: presence is gone, and
 * nothing follows from that yet. `lost`: what it ran may be replaced.
 */
export type Standing = 'present' | 'leaving' | 'missing' | 'lost';

/** How long presence must have been gone before a node's instances of that mode may be replaced. */
export function lostAfterMs(mode: DisconnectMode, ttlMs: number): number {
  return mode === 'keep' ? KEEP_LOST_AFTER_MS : Math.max(KEEP_LOST_AFTER_MS, 1.1 * ttlMs);
}

/** Where a node stands, for instances of that mode. */
export function standingOf(node: NodeView | undefined, mode: DisconnectMode): Standing {
  if (node?.removal?.force === true) return 'lost';
  if (node === undefined || (node.presence === undefined && node.absentForMs === undefined)) return 'missing';
  const remainingMs = lostInMs(node, mode);
  if (remainingMs === undefined) {
    if (node.presence?.value.state !== 'leaving') return 'present';
    return node.isHeld === true ? 'missing' : 'leaving';
  }
  return remainingMs <= 0 ? 'lost' : 'missing';
}

/** In how many milliseconds an absent node is lost: not above zero when it is; undefined for one that is present. */
export function lostInMs(node: NodeView, mode: DisconnectMode): number | undefined {
  if (node.presence !== undefined || node.absentForMs === undefined) return undefined;
  const inMs = Math.max(node.trustAbsenceInMs, lostAfterMs(mode, node.ttlMs) - node.absentForMs);
  return mode === 'stop' ? Math.max(inMs, node.stopsEndInMs ?? 0) : inMs;
}

/** When the next of these nodes becomes lost for some mode, in whole milliseconds; undefined when none will. */
export function nextLossInMs(nodes: Iterable<NodeView>): number | undefined {
  let next: number | undefined;
  for (const node of nodes) {
    for (const mode of ['keep', 'stop'] as const) {
      const ms = lostInMs(node, mode);
      if (ms !== undefined && ms > 0 && (next === undefined || ms < next)) next = ms;
    }
  }
  return next === undefined ? undefined : Math.ceil(next);
}
