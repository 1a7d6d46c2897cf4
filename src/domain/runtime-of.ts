import { type InstanceKey, isUnitName, splitInstanceKey } from './ids.ts';
import type { RuntimeKind } from './spec.ts';

/** Which runtime runs an instance: its workload's name tells. */
export function runtimeOf(key: InstanceKey): RuntimeKind {
  return isUnitName(splitInstanceKey(key).workload) ? 'systemd' : 'docker';
}
