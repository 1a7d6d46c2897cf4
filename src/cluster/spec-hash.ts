import { createHash } from 'node:crypto';
import type { RunSpec } from '../domain/spec.ts';

/** The hash of a run part: of its JSON with sorted keys. Computed once, when it's submitted; afterwards the stored string counts. */
export function hashSpec(run: RunSpec): string {
  return createHash('sha256').update(canonicalJson(run)).digest('hex').slice(0, 40);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
