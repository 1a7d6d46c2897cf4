import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AgentError } from '../../domain/errors.ts';
import { UnitCopies } from './unit-copies.ts';
import { templateOf } from './unit-names.ts';
import { composeEnvironment, type OwnershipRecord, parseOwnership } from './unit-text.ts';

/** Where systemd looks for runtime units, and where an agent's `EnvironmentFile=` are. Gone with each boot, as the units are. */
const UNIT_DIR = '/run/systemd/system';
const ENVIRONMENT_DIR = '/run/muster/env';
/** One empty file for each unit that was started: systemd forgets a unit that has ended. */
const STARTED_DIR = '/run/muster/started';
/** One for each unit that was told to stop, or only installed: that it's seen up doesn't mean that we have started it. */
const UNSTARTED_DIR = '/run/muster/unstarted';
/** The record is the first line: a name, a slot, a hash and a cluster always fit. */
const HEAD_BYTES = 2048;

/**
 * The unit files that we own, on /run. Every step is one atomic change of one file, and a file says by itself whose it is:
 * whenever a crash comes, what is there is either whole and ours, or not there. Calls are synchronous: /run is memory, so
 * they take microseconds, and nothing can come between a check and what follows from it.
 */
export class UnitStore {
  readonly #root: string;
  readonly #onPutBack: (unit: string) => void;
  readonly #copies: UnitCopies;
  readonly #owned = new Map<string, OwnershipRecord>();
  readonly #started = new Set<string>();
  #scannedMtimeNs = -1n;

  /**
   * @param root prefixed to every path: empty on a machine of our own
   * @param onPutBack told of each file that was removed by hand and is there again
   */
  constructor(root: string, onPutBack: (unit: string) => void = () => {}) {
    this.#root = root;
    this.#onPutBack = onPutBack;
    this.#copies = new UnitCopies(root);
  }

  /** True where systemd is the init, as sd_booted(3) tells. */
  isBooted(): boolean {
    return statSync(join(this.#root, UNIT_DIR), { throwIfNoEntry: false })?.isDirectory() ?? false;
  }

  /** All units that are ours, of whichever cluster. The folder is read again when it has changed. */
  list(): ReadonlyMap<string, OwnershipRecord> {
    const stat = statSync(join(this.#root, UNIT_DIR), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return new Map();
    if (stat.mtimeNs !== this.#scannedMtimeNs) this.#scan(stat.mtimeNs);
    return this.#owned;
  }

  /** Makes the next {@link list} read every file. */
  forgetAll(): void {
    this.#scannedMtimeNs = -1n;
    this.#owned.clear();
    this.#started.clear();
  }

  #scan(mtimeNs: bigint): void {
    const names = new Set(readdirSync(join(this.#root, UNIT_DIR)));
    for (const unit of this.#owned.keys()) if (!names.has(unit)) this.#owned.delete(unit);
    for (const unit of names) {
      if (this.#owned.has(unit)) continue;
      const record = this.record(unit);
      if (record === undefined) continue;
      this.#owned.set(unit, record);
      if (!this.#copies.has(unit)) this.#copies.write(unit, readFileSync(this.unitPath(unit), 'utf8'));
    }
    this.#scannedMtimeNs = mtimeNs;
    for (const unit of this.#copies.list()) if (!names.has(unit)) this.#putBack(unit);
  }

  /** Somebody has removed the file of a unit that may run: without it nothing would tell that it's ours. */
  #putBack(unit: string): void {
    const content = this.#copies.read(unit) ?? '';
    const record = parseOwnership(unit, content);
    if (record === undefined) {
      this.#copies.remove(unit);
      return;
    }
    this.#owned.set(unit, record); // also where /run is full: then the next look tries again
    this.#scannedMtimeNs = -1n;
    try {
      if (this.create(unit, content)) this.#onPutBack(unit);
    } catch {
      // told when it's next started
    }
  }

  /** Whose a unit is: by its file, or as we wrote it where somebody has written over the file. */
  record(unit: string): OwnershipRecord | undefined {
    return this.#readRecord(unit) ?? parseOwnership(unit, this.#copies.read(unit) ?? '');
  }

  /** Whether the file of a unit of ours is another than we wrote. */
  isEdited(unit: string): boolean {
    return this.#copies.isOther(unit, this.unitPath(unit));
  }

  #readRecord(unit: string): OwnershipRecord | undefined {
    const path = this.unitPath(unit);
    if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
    const file = openSync(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return parseOwnership(unit, head.toString('utf8', 0, readSync(file, head)));
    } finally {
      closeSync(file);
    }
  }

  /** The file and its record; undefined when there's none or it is not ours. */
  read(unit: string): { readonly record: OwnershipRecord; readonly content: string } | undefined {
    if (!lstatSync(this.unitPath(unit), { throwIfNoEntry: false })?.isFile()) return undefined;
    const content = readFileSync(this.unitPath(unit), 'utf8');
    const record = parseOwnership(unit, content);
    return record === undefined ? undefined : { record, content };
  }

  /** Writes a new file unless the name is taken, whoever took it; tells whether it did. */
  create(unit: string, content: string): boolean {
    const temporary = this.#writeTemporary(unit, content);
    try {
      linkSync(temporary, this.unitPath(unit)); // unlike a rename, it never replaces
      this.#copies.write(unit, content);
      this.#scannedMtimeNs = -1n;
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false;
      throw new AgentError('INTERNAL', `Cannot write unit "${unit}" to ${UNIT_DIR}`, { cause: error });
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  /** Replaces a file that is ours. */
  replace(unit: string, content: string): void {
    renameSync(this.#writeTemporary(unit, content), this.unitPath(unit));
    this.#copies.write(unit, content);
    this.#owned.delete(unit);
    this.#scannedMtimeNs = -1n;
  }

  /** systemd takes no file whose name begins with a dot for a unit. */
  #writeTemporary(unit: string, content: string): string {
    const path = join(this.#root, UNIT_DIR, `.${unit}.muster`);
    try {
      rmSync(path, { force: true }); // left by a crash; never followed, should it be a link
      writeFileSync(path, content, { mode: 0o644, flag: 'wx' });
      return path;
    } catch (cause) {
      throw new AgentError('INTERNAL', `Cannot write unit "${unit}" to ${UNIT_DIR}`, { cause });
    }
  }

  /** Removes the file and what goes with it; the file last, so that a crash before leaves it ours to remove. */
  remove(unit: string): void {
    this.clearStarted(unit);
    this.expectStart(unit);
    rmSync(this.#environmentPath(unit), { force: true });
    this.#copies.remove(unit);
    if (this.#readRecord(unit) !== undefined) rmSync(this.unitPath(unit), { force: true });
    this.#owned.delete(unit);
  }

  /** Before a start: from now on, to be seen up means that it was started. */
  expectStart(unit: string): void {
    rmSync(join(this.#root, UNSTARTED_DIR, unit), { force: true });
  }

  /** Written before each start; systemd reads it then, without a reload. Secret to others: tokens may be in it. */
  writeEnvironment(unit: string, environment: Readonly<Record<string, string>>): void {
    const path = this.#environmentPath(unit);
    mkdirSync(join(this.#root, ENVIRONMENT_DIR), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.tmp`, composeEnvironment(environment), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }

  /** A file by which the host itself has this unit, in any of the folders that systemd reads; undefined when there's none. */
  foreignPath(unit: string, folders: readonly string[]): string | undefined {
    const template = templateOf(unit);
    for (const folder of folders) {
      const isOurs = folder === UNIT_DIR && this.#readRecord(unit) !== undefined;
      if (!isOurs && this.#exists(join(folder, unit))) return join(folder, unit);
      if (template !== undefined && this.#exists(join(folder, template))) return join(folder, template);
    }
    return undefined;
  }

  /** True for a link that leads to the file of this unit of ours: an alias that enabling it made. */
  isLinkTo(path: string, unit: string): boolean {
    const isLink = lstatSync(join(this.#root, path), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    return isLink && resolve(dirname(path), readlinkSync(join(this.#root, path))) === this.fragmentPath(unit);
  }

  /** Notes that the unit was started; the note outlives this process. */
  markStarted(unit: string): void {
    if (this.#started.has(unit)) return;
    mkdirSync(join(this.#root, STARTED_DIR), { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#root, STARTED_DIR, unit), '');
    this.#started.add(unit);
  }

  /** Notes it of a unit that is seen to be up, should we have crashed before we could; not of one that only others start. */
  markSeenUp(unit: string): void {
    if (!this.#started.has(unit) && !this.#exists(join(UNSTARTED_DIR, unit))) this.markStarted(unit);
  }

  /** Before a stop that is ordered, or after it was installed: it's still to be started. Outlives this process too. */
  clearStarted(unit: string): void {
    mkdirSync(join(this.#root, UNSTARTED_DIR), { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#root, UNSTARTED_DIR, unit), '');
    rmSync(join(this.#root, STARTED_DIR, unit), { force: true });
    this.#started.delete(unit);
  }

  wasStarted(unit: string): boolean {
    if (!this.#started.has(unit) && this.#exists(join(STARTED_DIR, unit))) this.#started.add(unit);
    return this.#started.has(unit);
  }

  #exists(path: string): boolean {
    return lstatSync(join(this.#root, path), { throwIfNoEntry: false }) !== undefined;
  }

  /** True while a start of ours has left its environment: the unit of this name that runs is ours, whatever became of its file. */
  hasEnvironment(unit: string): boolean {
    return this.#exists(join(ENVIRONMENT_DIR, unit));
  }

  /**
   * Makes systemd look into the folder again. It does so by itself when the folder's time has changed, but where the kernel
   * counts file times in ticks, a file may come in the tick in which systemd last looked.
   */
  touchFolder(): void {
    const folder = join(this.#root, UNIT_DIR);
    const { atimeMs, mtimeMs } = statSync(folder);
    utimesSync(folder, atimeMs / 1000, (mtimeMs + 1) / 1000);
  }

  /** Where the file of a unit is, as this process sees it. */
  unitPath(unit: string): string {
    return join(this.#root, UNIT_DIR, unit);
  }

  /** Where the file of a unit is, as systemd sees it. */
  fragmentPath(unit: string): string {
    return join(UNIT_DIR, unit);
  }

  #environmentPath(unit: string): string {
    return join(this.#root, ENVIRONMENT_DIR, unit);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
