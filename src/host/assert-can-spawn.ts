import { closeSync, openSync } from 'node:fs';
import { AgentError } from '../domain/errors.ts';

/** Pipes and what goes with them: more than any command of ours takes. */
const NEEDED_DESCRIPTORS = 12;

/**
 * To be called right before a command is run. Without a free file descriptor the library fails in a way that nobody can catch, and the
 * agent would end. `UNAVAILABLE` then.
 */
export function assertCanSpawn(command: string): void {
  const taken: number[] = [];
  try {
    for (let count = 0; count < NEEDED_DESCRIPTORS; count += 1) taken.push(openSync('/dev/null', 'r'));
  } catch (cause) {
    throw new AgentError('UNAVAILABLE', `Cannot run "${command}": expected free file descriptors`, { cause });
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}
