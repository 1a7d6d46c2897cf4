import { AgentError } from '../../domain/errors.ts';
import type { SystemdManager } from './systemd-manager.ts';
import type { UnitStore } from './unit-store.ts';
import { installSection } from './unit-text.ts';

/** What follows from links that were made or removed. `soon`: nothing depends on it now, it's only to be read some time. */
export type ReloadNeed = 'none' | 'soon' | 'now';

/** Honours [Install] without touching what the host has: its links are made in /run, and none is replaced. */
export class InstallLinks {
  readonly #manager: SystemdManager;
  readonly #store: UnitStore;

  constructor(manager: SystemdManager, store: UnitStore) {
    this.#manager = manager;
    this.#store = store;
  }

  /** Throws `CONFLICT` where the section names a unit of the host's: an alias would hide it, `Also=` would change it. */
  assertHarmless(unit: string, text: string, folders: readonly string[]): void {
    const section = installSection(text);
    for (const written of [...(section?.get('Alias') ?? []), ...(section?.get('Also') ?? [])]) {
      const name = expandSpecifiers(unit, written);
      if (name.includes('/'))
        throw new AgentError('INVALID_INPUT', `Cannot install "${unit}": "${name}" is no unit name`);
      const path = this.#store.foreignPath(name, folders);
      if (path === undefined || this.#store.isLinkTo(path, unit)) continue;
      throw new AgentError('CONFLICT', `Cannot install "${unit}": its "${name}" is a unit of the host (${path})`);
    }
  }

  async enable(unit: string, text: string, signal: AbortSignal): Promise<ReloadNeed> {
    if (installSection(text) === undefined) return 'none';
    return needOf(await this.#manager.enable(unit, signal));
  }

  async disable(unit: string, text: string, signal: AbortSignal): Promise<ReloadNeed> {
    if (installSection(text) === undefined) return 'none';
    return needOf(await this.#manager.disable(unit, signal)) === 'none' ? 'none' : 'soon';
  }
}

/** Those that a unit's name alone decides; what systemd would make of any other is not known here. */
function expandSpecifiers(unit: string, written: string): string {
  const stem = unit.slice(0, unit.lastIndexOf('.'));
  const prefix = stem.split('@')[0] ?? stem;
  const values: Readonly<Record<string, string>> = {
    '%%': '%',
    '%n': unit,
    '%N': stem,
    '%p': prefix,
    '%j': prefix.slice(prefix.lastIndexOf('-') + 1),
    '%i': stem.includes('@') ? stem.slice(stem.indexOf('@') + 1) : '',
  };
  return written.replaceAll(/%.?/g, (specifier) => {
    const value = values[specifier];
    if (value !== undefined) return value;
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot install "${unit}": expected no "${specifier}" in the name "${written}"`,
    );
  });
}

/**
 * A link below another unit makes that one pull ours in, which systemd must know before either starts. A target that boot has
 * reached already pulls in nothing more, so a link below one is not waited for: nearly every unit file has one, and a
 * reload takes longer than ten starts.
 */
function needOf(changes: readonly { readonly path: string }[]): ReloadNeed {
  if (changes.length === 0) return 'none';
  const isBelowTarget = ({ path }: { readonly path: string }) =>
    /\.target\.(wants|requires|upholds)\/[^/]+$/.test(path);
  return changes.every(isBelowTarget) ? 'soon' : 'now';
}
