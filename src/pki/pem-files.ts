import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../domain/errors.ts';

/** A file to be written. */
export interface PemFile {
  readonly path: string;
  readonly content: string;
  /** Secret: for its owner alone. A certificate anybody may read. */
  readonly secret: boolean;
}

/** Larger than any file of certificates that is meant. */
const READ_LIMIT_BYTES = 1024 * 1024;

/** Reads a PEM file. `INVALID_INPUT` saying what it was to be where it can't be read. */
export async function readPem(path: string, what: string): Promise<string> {
  try {
    const content = await readFile(path);
    if (content.length <= READ_LIMIT_BYTES) return content.toString('utf8');
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', `Cannot read "${path}": expected ${what}`, { cause });
  }
  throw new AgentError('INVALID_INPUT', `Cannot read "${path}": expected ${what}, it is far too large`);
}

/**
 * Writes files so that each is there wholly or not at all. Where one of them is there already nothing is written and it's a `CONFLICT`,
 * unless `replace` says that they may be replaced.
 */
export async function writePems(files: readonly PemFile[], replace: boolean): Promise<void> {
  const temporary = files.map(({ path }) => join(dirname(path), `.${basename(path)}.tmp`));
  const made: string[] = [];
  try {
    for (const [at, file] of files.entries()) await writeSynced(temporary[at] ?? '', file);
    for (const [at, { path }] of files.entries()) {
      if (replace) await rename(temporary[at] ?? '', path);
      else await link(temporary[at] ?? '', path);
      made.push(path);
    }
  } catch (cause) {
    if (!replace) for (const path of made) await rm(path, { force: true });
    throw refuse(files, cause);
  } finally {
    for (const path of temporary) await rm(path, { force: true });
  }
}

async function writeSynced(path: string, { content, secret }: PemFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await rm(path, { force: true }); // left by a crash
  const file = await open(path, 'wx', secret ? 0o600 : 0o644);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

function refuse(files: readonly PemFile[], cause: unknown): AgentError {
  const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
  const taken = isThere && 'dest' in cause && typeof cause.dest === 'string' ? cause.dest : (files[0]?.path ?? '');
  if (isThere)
    return new AgentError('CONFLICT', `Cannot write "${taken}": it is there already, expected --force to replace it`);
  return new AgentError('UNAVAILABLE', `Cannot write "${taken}": expected a folder that may be written to`, { cause });
}
