import { createHmac } from 'node:crypto';
import { AgentError } from '../domain/errors.ts';
import { type NodeId, parseNodeId } from '../domain/ids.ts';

/** muster's application ID (machine-id(5)). Another one would make every node a new node: it never changes. */
export const APPLICATION_ID = '6133750b53224d6d99da30a9617abcf3';

/** Accepts the text of /etc/machine-id; `INVALID_INPUT` for a machine that has none yet. */
export function parseMachineId(text: string): string {
  const id = text.trim();
  if (/^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id)) return id;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use machine ID "${id.slice(0, 64)}": expected 32 lower-case hex digits in /etc/machine-id (systemd-machine-id-setup makes one)`,
  );
}

/** What sd_id128_get_machine_app_specific(3) gives: tells nodes apart without giving the machine ID away. */
export function makeNodeId(machineId: string, applicationId = APPLICATION_ID): NodeId {
  const hash = createHmac('sha256', Buffer.from(machineId, 'hex')).update(Buffer.from(applicationId, 'hex')).digest();
  const id = hash.subarray(0, 16);
  id.writeUInt8((id.readUInt8(6) & 0x0f) | 0x40, 6); // a UUID of version 4 …
  id.writeUInt8((id.readUInt8(8) & 0x3f) | 0x80, 8); // … and of the DCE variant
  return parseNodeId(id.toString('hex'));
}
