import { type InstanceKey, isTemplateName, splitInstanceKey, type WorkloadName } from './ids.ts';
import { unitName } from './names.ts';
import type { Placement } from './spec.ts';

/**
 * Replaces systemd's specifiers `%n` (unit name), `%N` (without its type), `%p` (before the `@`), `%i` (after it) and `%%`,
 * as fleet does in placement options. Any other is left as it is.
 */
export function expandSpecifiers(text: string, unit: string): string {
  if (!text.includes('%')) return text;
  const stem = unit.includes('.') ? unit.slice(0, unit.lastIndexOf('.')) : unit;
  const at = stem.indexOf('@');
  const values: Readonly<Record<string, string>> = {
    n: unit,
    N: stem,
    p: at < 0 ? stem : stem.slice(0, at),
    i: at < 0 ? '' : stem.slice(at + 1),
    '%': '%',
  };
  return text.replace(/%([nNpi%])/g, (_all, letter: string) => values[letter] ?? '');
}

/** A template's placement holds specifiers until it is known which instance is placed; any other's is returned as it is. */
export function expandPlacement(placement: Placement, key: InstanceKey): Placement {
  if (!isTemplateName(splitInstanceKey(key).workload)) return placement;
  return expandAll(placement, unitName(key));
}

/** The placement as it's stored for this name: expanded, but a template's. */
export function storedPlacement(placement: Placement, name: WorkloadName): Placement {
  return isTemplateName(name) ? placement : expandAll(placement, name);
}

function expandAll(placement: Placement, unit: string): Placement {
  const each = (texts: readonly string[]) => texts.map((text) => expandSpecifiers(text, unit));
  return {
    machineIds: each(placement.machineIds),
    machineOf: each(placement.machineOf),
    labels: placement.labels.map(({ key, values }) => ({ key: expandSpecifiers(key, unit), values: each(values) })),
    conflicts: each(placement.conflicts),
    replaces: each(placement.replaces),
  };
}
