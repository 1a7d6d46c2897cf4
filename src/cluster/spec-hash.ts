import { createHash } from 'node:crypto';
import type { RunSpec } from '../domain/spec.ts';
import { withoutPlacementSections } from '../domain/unit-text.ts';

/**
 * The hash of a run part: of its JSON with sorted keys. Scale and placement are no part of it, also where a unit's text says
 * them: else one more replica would restart all others. Computed once, when it's submitted; afterwards the stored string counts.
 */
export function hashSpec(run: RunSpec): string {
  const hashed = run.kind === 'unit' ? { ...run, text: withoutPlacementSections(run.text) } : run;
  return createHash('sha256').update(canonicalJson(hashed)).digest('hex').slice(0, 40);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
