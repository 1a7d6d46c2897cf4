import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AgentError } from '../domain/errors.ts';
import type { Terminal } from './context.ts';

type Environment = Terminal['env'];

/** `$XDG_CONFIG_HOME/muster/contexts.yaml`. */
export function contextsPath(env: Environment): string {
  const home = variable(env, 'XDG_CONFIG_HOME') ?? join(variable(env, 'HOME') ?? homedir(), '.config');
  return join(home, 'muster', 'contexts.yaml');
}

/** The text of a file that may not be there. */
export function readContextsText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new AgentError('INVALID_INPUT', `Cannot read "${path}": expected a file that may be read`, { cause });
  }
}

/** A variable's value; an empty one counts as none. */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}
