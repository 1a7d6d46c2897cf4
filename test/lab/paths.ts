import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** What is made once and used by every lab: base trees, image layers, the registry's store. */
export const cacheRoot = '/var/cache/muster-lab';

/** One folder a lab, named by its number: who owns it. */
export const stateRoot = '/run/muster-lab';

/** Names of everything that a lab has on the host, all derived from its number, so that anyone can clean up after it. */
export interface LabNames {
  readonly number: number;
  readonly state: string;
  readonly data: string;
  /** The folder that all machines of the lab share with the host. */
  readonly shared: string;
  readonly bridge: string;
  /** Prefix of machines, network namespaces and bridge ports. */
  readonly prefix: string;
  readonly table: string;
  readonly group: string;
  /** The first three numbers of the lab's /24. */
  readonly subnet: string;
}

/** Derives the names of a lab. */
export function labNames(number: number): LabNames {
  return {
    number,
    state: join(stateRoot, String(number)),
    data: join('/var/lib/muster-lab', String(number)),
    shared: join('/var/lib/muster-lab', String(number), 'shared'),
    bridge: `muster-lab${number}`,
    prefix: `ml${number}-`,
    table: `muster_lab_${number}`,
    group: `muster-lab-${number}`,
    subnet: `10.213.${number}`,
  };
}
