import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { writeFileAtomically } from './atomic-file.ts';
import type { StateFiles } from './port.ts';

/** Where the agent keeps what must outlive a reboot. */
export const STATE_FOLDER = '/var/lib/muster';

export interface StateFilesOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The file is one line (mark, version, checksum), then the text as it was given. */
const VERSION = 1;
const head = /^muster-state (\d{1,9}) sha256:([0-9a-f]{64})$/;
const validName = /^[a-z][a-z0-9-]{0,62}$/;
/** Of what was set aside, so many are kept for people to look at. */
const KEPT_ASIDE = 3;

/** Files in one folder of this machine's disk. */
export function openStateFiles(options: StateFilesOptions): StateFiles {
  return new LocalStateFiles(options);
}

class LocalStateFiles implements StateFiles {
  readonly #options: StateFilesOptions;
  /** The last write of each name: two of one name must not meet in its temporary file. */
  readonly #writes = new Map<string, Promise<void>>();

  constructor(options: StateFilesOptions) {
    this.#options = options;
  }

  async read(name: string): Promise<string | undefined> {
    const path = this.#path(name);
    let content: Buffer;
    try {
      content = await readFile(path);
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw new AgentError('UNAVAILABLE', `Cannot read "${path}": expected a file on a disk that works`, { cause });
    }
    const found = decode(content);
    if ('text' in found) return found.text;
    await this.setAside(name, found.problem);
    return undefined;
  }

  async write(name: string, text: string): Promise<void> {
    const path = this.#path(name);
    const before = this.#writes.get(name) ?? Promise.resolve();
    const write = before.then(() => writeFileAtomically(path, encode(text)));
    const settled = write.catch(() => undefined);
    this.#writes.set(name, settled);
    try {
      await write;
    } catch (cause) {
      throw new AgentError('UNAVAILABLE', `Cannot write "${path}": expected a disk that takes it`, { cause });
    } finally {
      if (this.#writes.get(name) === settled) this.#writes.delete(name);
    }
  }

  async setAside(name: string, problem: string): Promise<void> {
    const { folder, clock, log } = this.#options;
    const path = this.#path(name);
    const at = clock.wallTime().toISOString().replaceAll(/[-:]/g, '');
    const aside = `${path}.corrupt-${at}`;
    try {
      await rename(path, aside);
      log.error({ file: path, aside, problem }, 'state file not usable, set aside');
      const old = (await readdir(folder)).filter((entry) => entry.startsWith(`${name}.corrupt-`)).sort();
      for (const entry of old.slice(0, -KEPT_ASIDE)) await rm(join(folder, entry), { force: true });
    } catch (err) {
      log.error({ file: path, problem, err }, 'state file not usable, and not to be set aside');
    }
  }

  #path(name: string): string {
    if (validName.test(name)) return join(this.#options.folder, name);
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use state file "${name}": expected 1 to 63 of a-z, 0-9 and "-", a letter first`,
    );
  }
}

function encode(text: string): string {
  return `muster-state ${VERSION} sha256:${checksum(text)}\n${text}`;
}

function decode(content: Buffer): { readonly text: string } | { readonly problem: string } {
  const end = content.indexOf('\n');
  const match = head.exec(content.subarray(0, Math.max(0, end)).toString('latin1'));
  if (match === null) return { problem: 'it does not begin as a state file does' };
  if (Number(match[1]) !== VERSION) return { problem: `it has version ${match[1]}, this agent reads ${VERSION}` };
  const body = content.subarray(end + 1);
  if (checksum(body) !== match[2]) return { problem: 'its checksum is wrong: torn or altered' };
  return { text: body.toString('utf8') };
}

function checksum(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
