import { randomBytes } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { AgentError } from '../domain/errors.ts';
import type { Log } from '../loop/log.ts';

/** Where a socket is to be, and for whom. */
export interface SocketOptions {
  /** Where the socket is put; its folder is made. */
  readonly socketPath: string;
  /** Who may use it besides root, where the machine has such a group. */
  readonly group: string;
  readonly log: Log;
}

/** A socket that has its place. */
export interface SocketFile {
  /** The group that may use it, if the machine has it. */
  readonly group: string | undefined;
  /** Removes it, unless another process has put its own there since. */
  remove(): Promise<void>;
}

/** Longest path that fits a socket's address. */
const PATH_LIMIT_BYTES = 107;

/**
 * Makes the socket beside its place, gives it mode 0660 and its group, and only then moves it there: whoever finds it finds it
 * guarded, and one that a dead process left is replaced in one step.
 */
export async function claimSocket(
  options: SocketOptions,
  listen: (path: string) => Promise<void>,
): Promise<SocketFile> {
  const { socketPath, group, log } = options;
  const beside = `${socketPath}.${randomBytes(4).toString('hex')}`;
  if (Buffer.byteLength(beside) > PATH_LIMIT_BYTES) {
    const most = PATH_LIMIT_BYTES - beside.length + socketPath.length;
    throw new AgentError('INVALID_INPUT', `Cannot listen on "${socketPath}": expected a path of at most ${most} bytes`);
  }
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o755 });
  await refuseTaken(socketPath);
  await listen(beside);
  try {
    await chmod(beside, 0o660);
    const owner = await giveToGroup(beside, group);
    if (owner === undefined) log.debug({ group, socket: socketPath }, 'socket has no group of its own');
    const { ino, dev } = await lstat(beside);
    await rename(beside, socketPath);
    return { group: owner, remove: async () => removeOwn(socketPath, { ino, dev }) };
  } catch (cause) {
    await rm(beside, { force: true });
    throw new AgentError('INTERNAL', `Cannot listen on "${socketPath}"`, { cause });
  }
}

/** Refuses a path that is no socket, or a socket that is answered. */
async function refuseTaken(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket())
    throw new AgentError('CONFLICT', `Cannot listen on "${path}": expected a socket or nothing there`);
  if (await isAnswered(path)) {
    throw new AgentError('CONFLICT', `Cannot listen on "${path}": another agent answers there`);
  }
}

async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The group, if there is one and this process may give it the socket. */
async function giveToGroup(path: string, group: string): Promise<string | undefined> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const line = groups.split('\n').find((each) => each.startsWith(`${group}:`));
  const gid = Number(line?.split(':')[2]);
  if (line === undefined || !Number.isInteger(gid)) return undefined;
  try {
    const { uid } = await lstat(path);
    await chown(path, uid, gid);
    return group;
  } catch {
    return undefined; // not root: then the socket is its owner's alone
  }
}

async function removeOwn(path: string, own: { readonly ino: number; readonly dev: number }): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.ino === own.ino && stats.dev === own.dev) await rm(path, { force: true });
}
