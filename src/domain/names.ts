import { type InstanceKey, isTemplateName, isUnitName, splitInstanceKey } from './ids.ts';

/** The one place that derives what people and runtimes call an instance. */

/** A node ID as a slot marks the copy of a global workload. */
function isGlobalSlot(slot: string): boolean {
  return /^[0-9a-f]{32}$/.test(slot);
}

/** What people read: `web.0`, `hello.service`, `hello@1.service`, `web@<node's first 8 digits>`. */
export function displayName(key: InstanceKey): string {
  const { workload, slot } = splitInstanceKey(key);
  if (isGlobalSlot(slot)) return `${workload}@${slot.slice(0, 8)}`;
  return isUnitName(workload) ? unitName(key) : `${workload}.${slot}`;
}

/** The systemd unit of an instance of a unit workload: a template's slot is its instance string. */
export function unitName(key: InstanceKey): string {
  const { workload, slot } = splitInstanceKey(key);
  return isTemplateName(workload) ? workload.replace('@.', `@${slot}.`) : workload;
}

/** The container of an instance: `muster-web.0`, `muster-web.global`. One agent a machine, so it needs no cluster. */
export function containerName(key: InstanceKey): string {
  const { workload, slot } = splitInstanceKey(key);
  return `muster-${workload}.${isGlobalSlot(slot) ? 'global' : slot}`;
}
