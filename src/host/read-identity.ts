import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeNodeId, parseMachineId } from './node-id.ts';
import type { HostIdentity } from './port.ts';

/** Reads who this machine is. `INVALID_INPUT` when it has no usable machine ID. */
export async function readIdentity(root: string): Promise<HostIdentity> {
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => '');
  const [machineText, bootText, productText] = await Promise.all([
    read('/etc/machine-id'),
    read('/proc/sys/kernel/random/boot_id'),
    read('/sys/class/dmi/id/product_uuid'),
  ]);
  const machineId = parseMachineId(machineText);
  const productUuid = parseProductUuid(productText);
  return {
    nodeId: makeNodeId(machineId),
    machineId,
    bootId: bootText.trim(),
    ...(productUuid === undefined ? {} : { productUuid }),
    hostname: hostname(),
  };
}

/** UUIDs that vendors left in many machines' firmware. */
const vendorJunk = new Set([
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  '01234567-8910-1112-1314-151617181920',
  'fefefefe-fefe-fefe-fefe-fefefefefefe',
  '4c4c4544-0000-2010-8020-80c04f202020',
]);

/** The product's UUID where it can tell machines apart: no "Not Settable", no single digit over and over, nothing known to be everywhere. */
export function parseProductUuid(text: string): string | undefined {
  const uuid = text.trim().toLowerCase();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined;
  const isOneDigit = new Set(uuid.replaceAll('-', '')).size === 1;
  return isOneDigit || vendorJunk.has(uuid) ? undefined : uuid;
}
