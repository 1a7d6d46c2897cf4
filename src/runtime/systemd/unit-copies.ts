import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Beside the ownership records, on /run: gone with each boot, as the units are. */
const COPIES_DIR = '/run/muster/units';

/** A copy of each unit file as we wrote it: what was done to the file by hand is told by it. Best effort: a full /run has none. */
export class UnitCopies {
  readonly #folder: string;
  /** By unit: the file as it was compared last, and what came of it. */
  readonly #compared = new Map<string, { readonly stamp: string; readonly isOther: boolean }>();

  /** @param root prefixed to the path: empty on a machine of our own */
  constructor(root: string) {
    this.#folder = join(root, COPIES_DIR);
  }

  /** The units of which there's a copy. */
  list(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => !name.startsWith('.'));
    } catch {
      return []; // none has been written yet
    }
  }

  has(unit: string): boolean {
    return lstatSync(this.#path(unit), { throwIfNoEntry: false }) !== undefined;
  }

  read(unit: string): string | undefined {
    try {
      return readFileSync(this.#path(unit), 'utf8');
    } catch {
      return undefined;
    }
  }

  write(unit: string, content: string): void {
    this.#compared.delete(unit);
    const temporary = join(this.#folder, `.${unit}.tmp`);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(temporary, content, { mode: 0o600 });
      renameSync(temporary, this.#path(unit));
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  remove(unit: string): void {
    this.#compared.delete(unit);
    rmSync(this.#path(unit), { force: true });
  }

  /** Whether the file is there and is another than the copy. It's read again only when it has changed. */
  isOther(unit: string, path: string): boolean {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return false;
    const stamp = `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
    const known = this.#compared.get(unit);
    if (known?.stamp === stamp) return known.isOther;
    const copy = this.read(unit);
    if (copy === undefined) return false;
    const isOther = !stat.isFile() || readFileSync(path, 'utf8') !== copy;
    this.#compared.set(unit, { stamp, isOther });
    return isOther;
  }

  #path(unit: string): string {
    return join(this.#folder, unit);
  }
}
