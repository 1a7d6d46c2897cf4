import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { labNames, repository, stateRoot } from './paths.ts';

const highestNumber = 199;
/** A folder without a state file is a lab that is just being opened, or one whose owner died right then. */
const unclaimedMaxAgeMs = 10_000;

interface LabState {
  readonly name: string;
  readonly owner: { readonly pid: number; readonly startedTicks: string };
  readonly layers: readonly string[];
}

/** Takes the first number whose folder and network are free. */
export async function claimNumber(): Promise<number> {
  await mkdir(stateRoot, { recursive: true });
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  for (let number = 0; number <= highestNumber; number += 1) {
    const { state, subnet } = labNames(number);
    if (addresses.some((address) => address.startsWith(`${subnet}.`))) continue;
    const isOurs = await mkdir(state).then(
      () => true,
      () => false,
    );
    if (isOurs) return number;
  }
  throw new Error(`Cannot open a lab: expected a free number up to ${highestNumber} in ${stateRoot}`);
}

/** Says who owns the lab and which cached layers it uses. */
export async function writeOwner(number: number, name: string, layers: readonly string[]): Promise<void> {
  const owner = { pid: process.pid, startedTicks: (await startTicks(process.pid)) ?? '' };
  const state: LabState = { name, owner, layers };
  await writeFile(stateFile(number), JSON.stringify(state));
}

/** The state files of all labs that there are. */
export async function stateFiles(): Promise<string[]> {
  return (await labNumbers()).map(stateFile);
}

/** Numbers of labs whose owner is gone. */
export async function deadLabs(): Promise<number[]> {
  const numbers = await labNumbers();
  const alive = await Promise.all(numbers.map(isOwned));
  return numbers.filter((_, index) => alive[index] !== true);
}

/** Numbers of all labs that have a folder. */
export async function labNumbers(): Promise<number[]> {
  const entries = await readdir(stateRoot).catch(() => []);
  return entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
}

async function isOwned(number: number): Promise<boolean> {
  const text = await readFile(stateFile(number), 'utf8').catch(() => undefined);
  if (text === undefined) {
    const folder = await stat(labNames(number).state).catch(() => undefined);
    return folder !== undefined && Date.now() - folder.mtimeMs < unclaimedMaxAgeMs;
  }
  const { owner } = JSON.parse(text) as LabState;
  return (await startTicks(owner.pid)) === owner.startedTicks;
}

/** When a process began, in the kernel's ticks: with the PID it names one process for ever. */
async function startTicks(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

function stateFile(number: number): string {
  return join(labNames(number).state, 'state.json');
}

/**
 * Starts a small process that outlives this one and cleans up after the lab if this one ends without saying `closed`,
 * however it ends: it waits on a pipe. Returns what says so.
 */
export function startGuard(number: number): () => void {
  const script = 'read -r word; [ "$word" = closed ] || exec "$0" "$@"';
  const sweep = [process.execPath, join(repository, 'test/lab/sweep.ts'), String(number)];
  const guard = spawn('sh', ['-c', script, ...sweep], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  guard.unref();
  // A pipe's handle would keep this process alive.
  (guard.stdin as unknown as { unref(): void }).unref();
  guard.stdin.on('error', () => undefined);
  return () => {
    guard.stdin.end('closed\n');
  };
}
