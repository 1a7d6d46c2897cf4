import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type InstanceKey, makeInstanceKey, parseSlot, parseWorkloadName } from '../domain/ids.ts';
import type { Role } from './caller.ts';

/** A request for another protocol, with its connection. */
export interface Upgrade {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** A path that is upgraded to a WebSocket for a command. */
export interface ExecRoute {
  readonly method: 'GET';
  readonly path: string;
  readonly role: Role;
  readonly key: InstanceKey;
  /** Never asks another node. */
  readonly isHere: boolean;
}

/** The paths, as in the table of routes. */
export const execPaths = {
  anywhere: { path: '/v1/instances/:workload/:slot/exec', role: 'operator' },
  here: { path: '/v1/node/exec/:workload/:slot', role: 'node' },
} as const satisfies Readonly<Record<string, { path: string; role: Role }>>;

const anywhere = /^\/v1\/instances\/([^/?]+)\/([^/?]+)\/exec(?:\?.*)?$/;
const here = /^\/v1\/node\/exec\/([^/?]+)\/([^/?]+)(?:\?.*)?$/;

/** The route that a URL means; undefined for another one. `INVALID_INPUT` for names that can't be. */
export function findExecRoute(url: string): ExecRoute | undefined {
  const atHere = here.exec(url);
  const [, workload, slot] = atHere ?? anywhere.exec(url) ?? [];
  if (workload === undefined || slot === undefined) return undefined;
  const key = makeInstanceKey(parseWorkloadName(decode(workload)), parseSlot(decode(slot)));
  const { path, role } = atHere === null ? execPaths.anywhere : execPaths.here;
  return { method: 'GET', path, role, key, isHere: atHere !== null };
}

/** The path at which another node runs a command beside an instance. */
export function nodeExecPath(workload: string, slot: string): string {
  return `/v1/node/exec/${encodeURIComponent(workload)}/${encodeURIComponent(slot)}`;
}

/** What can't be decoded is no name, and is refused as such. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
