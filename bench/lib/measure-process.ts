import { spawnSync } from 'node:child_process';

/** How long a command takes from its start to its end, in milliseconds. Throws if it fails. */
export function measureProcess(file: string, args: readonly string[]): number {
  const startedMs = performance.now();
  const { status, stderr, error } = spawnSync(file, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  const tookMs = performance.now() - startedMs;
  if (status !== 0)
    throw new Error(`Cannot measure "${file} ${args.join(' ')}": it failed: ${stderr}`, { cause: error });
  return tookMs;
}
