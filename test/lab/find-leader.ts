import { readFile } from 'node:fs/promises';

/** The child of nspawn that is PID 1 of a namespace below and has become systemd. */
export async function findLeader(nspawn: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8');
  for (const pid of children
    .trim()
    .split(' ')
    .filter((text) => text !== '')) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    if (/^Name:\tsystemd$/m.test(status) && /^NSpid:.*\t1$/m.test(status)) return Number(pid);
  }
  return undefined;
}
