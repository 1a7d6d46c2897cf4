import { join } from 'node:path';

/** The repository. */
export const root = join(import.meta.dirname, '..', '..');

/** The pinned Node. */
export const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');

/** A development tool installed by npm. */
export function toolPath(name: string): string {
  return join(root, 'node_modules', '.bin', name);
}
