import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AgentError } from '../domain/errors.ts';
import { loadLibc } from './libc.ts';

/** Held until it's released or the process ends, however it ends. */
export interface AgentLock {
  release(): void;
}

/** Where one agent a machine is made sure of. */
export const AGENT_LOCK_PATH = '/run/muster/agent.lock';

/** Locks the file (flock(2)) for this process; `CONFLICT` when another process has it. The file stays. */
export async function takeAgentLock(path: string, pid: number): Promise<AgentLock> {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'a+', 0o600);
  try {
    const libc = await loadLibc();
    if (libc === undefined) throw new AgentError('INTERNAL', `Cannot lock "${path}": expected a Node with node:ffi`);
    if (!libc.lockFile(fd)) {
      const holder = readFileSync(path, 'utf8').trim();
      throw new AgentError('CONFLICT', `Cannot take "${path}": another agent runs on this machine (PID ${holder})`);
    }
    ftruncateSync(fd);
    writeSync(fd, `${pid}\n`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { release: () => closeSync(fd) };
}
