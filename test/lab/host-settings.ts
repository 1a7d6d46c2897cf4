import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateRoot } from './paths.ts';

const savedFile = join(stateRoot, 'host-settings.json');

/** bridge-nf-call-iptables: else the FORWARD DROP of a dockerd on the host eats packets between nodes. inotify: each systemd needs some. */
const wanted: Readonly<Record<string, string>> = {
  '/proc/sys/net/bridge/bridge-nf-call-iptables': '0',
  '/proc/sys/net/bridge/bridge-nf-call-ip6tables': '0',
  '/proc/sys/fs/inotify/max_user_instances': '1024',
};

/** Sets what labs need on the host, and keeps what was before; the caller holds the lock. */
export async function applyHostSettings(): Promise<void> {
  if (existsSync(savedFile)) return;
  const present = Object.keys(wanted).filter((file) => existsSync(file));
  const before = await Promise.all(present.map(async (file) => [file, (await readFile(file, 'utf8')).trim()]));
  await writeFile(savedFile, JSON.stringify(Object.fromEntries(before)));
  for (const file of present) await writeFile(file, wanted[file] ?? '');
}

/** Puts back what was before the first lab; the caller holds the lock and knows that no lab is left. */
export async function restoreHostSettings(): Promise<void> {
  if (!existsSync(savedFile)) return;
  const before = JSON.parse(await readFile(savedFile, 'utf8')) as Record<string, string>;
  for (const [file, value] of Object.entries(before)) await writeFile(file, value);
  await rm(savedFile);
}
