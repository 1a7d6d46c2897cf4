import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../domain/errors.ts';
import { isUnitName } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import type { InputFile } from '../input/parse-input.ts';
import type { Terminal } from './context.ts';
import { Misuse } from './misuse.ts';

/** Where input comes from: paths as given, `-` for standard input. */
export interface FileArguments {
  readonly paths: readonly string[];
  /** The name of what standard input holds: a unit's, if it is a unit file. */
  readonly stdinName: string | undefined;
}

/**
 * The files that were named; of a directory its unit and YAML files, not those in folders below. Read without a thread:
 * they are few and small, and a command that has just started is waiting for them.
 */
export async function readFiles(args: FileArguments, stdin: Terminal['stdin']): Promise<readonly InputFile[]> {
  if (args.paths.filter((path) => path === '-').length > 1) throw new Misuse('Cannot read "-" twice: expected it once');
  if (args.stdinName !== undefined && !args.paths.includes('-')) {
    throw new Misuse('Cannot use --name: expected "-" among the files, it names what is read from standard input');
  }
  const files: InputFile[] = [];
  for (const path of args.paths) {
    if (path === '-') files.push({ path: args.stdinName ?? 'stdin', bytes: await readAll(stdin) });
    else files.push(...expand(path).map((each) => ({ path: each, bytes: readOne(each) })));
  }
  return files;
}

function expand(path: string): readonly string[] {
  if (!attempt(path, () => statSync(path)).isDirectory()) return [path];
  const names = attempt(path, () => readdirSync(path, { withFileTypes: true }))
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .filter((name) => isUnitName(name) || /\.(ya?ml|json)$/.test(name))
    .sort();
  if (names.length > 0) return names.map((name) => join(path, name));
  throw new AgentError('INVALID_INPUT', `Cannot apply directory "${path}": expected unit files or YAML files in it`);
}

function readOne(path: string): Uint8Array {
  const { size } = attempt(path, () => statSync(path));
  if (size > LIMITS.fileBytes) throw tooLarge(path, size);
  return attempt(path, () => readFileSync(path));
}

async function readAll(stdin: Terminal['stdin']): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    size += bytes.length;
    if (size > LIMITS.fileBytes) throw tooLarge('stdin', size);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function tooLarge(path: string, size: number): AgentError {
  return new AgentError(
    'LIMIT',
    `Cannot read "${path}" of ${size} bytes or more: expected at most ${LIMITS.fileBytes}`,
  );
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', `Cannot read "${path}": expected a readable file or directory`, { cause });
  }
}
