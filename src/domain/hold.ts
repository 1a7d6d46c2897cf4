import type { NodeId } from './ids.ts';
import type { Hold } from './node.ts';

/** How an operator ends a hold, for all texts that name it. */
export const releaseCommand = 'muster cluster release-hold';

/** The hold itself while it goes on; undefined for none and for one that is over. */
export function activeHold(hold: Hold | undefined): Hold | undefined {
  return hold?.ended === undefined ? hold : undefined;
}

/** Why nothing of a lost node is replaced, for people; undefined when it isn't held. */
export function heldText(hold: Hold | undefined, node: NodeId): string | undefined {
  const active = activeHold(hold);
  if (active === undefined || !active.nodes.includes(node)) return undefined;
  return `held until ${clockText(active.until)}, since ${active.reason}; "${releaseCommand}" ends that`;
}

/** `12:30:05 UTC`: the time of day of an ISO 8601 time, for texts whose day is clear. */
export function clockText(iso: string): string {
  const time = /T(\d{2}:\d{2}:\d{2})/.exec(iso)?.[1];
  return time === undefined ? iso : `${time} UTC`;
}
