import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Runs the action while holding a lock on the host that ends with this process, however it ends: a child holds it (flock)
 * for as long as its standard input is open. `onWait` is called if someone else holds it.
 */
export async function withHostLock<T>(file: string, action: () => Promise<T>, onWait?: () => void): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn('flock', ['-x', file, 'sh', '-c', 'echo held; cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const waiting = onWait === undefined ? undefined : setTimeout(onWait, 1000);
  try {
    const [word] = (await once(holder.stdout, 'data')) as [Buffer];
    if (word.toString().trim() !== 'held') throw new Error(`Cannot lock "${file}": expected flock to hold it`);
    clearTimeout(waiting);
    return await action();
  } finally {
    clearTimeout(waiting);
    const ended = once(holder, 'exit');
    holder.stdin.end();
    await ended;
  }
}
