import { chmod, copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { sharedFolder } from '../machine.ts';
import { containerYaml } from '../scenario/workload-texts.ts';

/** How work that beats is made. */
export interface Beating {
  readonly disconnect?: 'keep' | 'stop';
  /** How long it runs on when it's told to end. */
  readonly stopMs?: number;
  /** Further lines: of [X-Muster] for a unit, of the document for a container. */
  readonly lines?: readonly string[];
  /** Another number makes another spec. */
  readonly edition?: number;
}

/** Puts what the work needs into the lab's folder, and begins an empty log. */
export async function prepareLog(lab: Lab): Promise<void> {
  const runs = join(lab.logFolder, 'runs');
  await rm(runs, { recursive: true, force: true });
  await mkdir(runs, { recursive: true });
  await chmod(runs, 0o777);
  await copyFile(join(import.meta.dirname, 'beat.pl'), join(lab.logFolder, 'beat.pl'));
  await chmod(join(lab.logFolder, 'beat.pl'), 0o644);
}

/** The text of a unit that says when it runs. */
export function beatingUnit({ disconnect = 'keep', stopMs = 0, lines = [], edition = 0 }: Beating = {}): string {
  return [
    '[Unit]',
    'Description=Says when it runs',
    '[Service]',
    `Environment=EDITION=${edition}`,
    `ExecStart=/usr/bin/perl ${sharedFolder}/beat.pl ${disconnect} ${stopMs}`,
    `TimeoutStopSec=${Math.ceil(stopMs / 1000) + 5}`,
    '[X-Muster]',
    `Disconnect=${disconnect}`,
    ...lines,
    '',
  ].join('\n');
}

/** The YAML of a container that says when it runs: the machine's own perl in the smallest image. */
export function beatingContainer(name: string, beating: Beating = {}): string {
  const { disconnect = 'keep', stopMs = 0, lines = [], edition = 0 } = beating;
  const mounts = [
    `${sharedFolder}:${sharedFolder}`,
    '/usr/bin/perl:/usr/bin/perl:ro',
    '/usr/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:ro',
  ];
  const container = [
    'image: busybox:1',
    `command: [/usr/bin/perl, ${sharedFolder}/beat.pl, ${disconnect}, "${stopMs}"]`,
    `environment: {EDITION: "${edition}"}`,
    `stopGrace: ${Math.ceil(stopMs / 1000) + 3}s`,
    `mounts: [${mounts.map((mount) => `"${mount}"`).join(', ')}]`,
    // A bridge's address and rules would only cost time here.
    'network: none',
  ];
  return containerYaml(name, container, [`disconnect: {mode: ${disconnect}}`, ...lines]);
}
