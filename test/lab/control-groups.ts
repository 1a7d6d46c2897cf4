import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { eventually } from '../support/eventually.ts';

/** The mount points of the host's control group hierarchies. */
interface Hierarchies {
  /** Version 2: without controllers on a hybrid host, but able to kill and freeze. */
  readonly unified: string;
  /** systemd's own of version 1, if the host has version 1. */
  readonly named: readonly string[];
  /** The controllers' of version 1. */
  readonly controllers: readonly string[];
}

function findHierarchies(): Hierarchies {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, target]) => target?.startsWith('/sys/fs/cgroup'));
  const unified = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  if (unified === undefined) throw new Error('Cannot run a lab: expected a cgroup2 hierarchy below /sys/fs/cgroup');
  const legacy = mounts.filter(([, , type]) => type === 'cgroup');
  const isNamed = (options: string | undefined): boolean => options?.includes('name=systemd') === true;
  return {
    unified,
    named: legacy.filter(([, , , options]) => isNamed(options)).map(([, target]) => target ?? ''),
    controllers: legacy.filter(([, , , options]) => !isNamed(options)).map(([, target]) => target ?? ''),
  };
}

/** One control group of the lab, the same path in each hierarchy: all processes of a machine, or of the registry. */
export class ControlGroup {
  readonly #path: string;
  readonly #hierarchies: Hierarchies;
  readonly #used: readonly string[];

  /** @param withControllers also in the hierarchies of version 1's controllers, for a machine with limits */
  constructor(path: string, withControllers: boolean) {
    this.#path = path;
    this.#hierarchies = findHierarchies();
    const { unified, named, controllers } = this.#hierarchies;
    this.#used = [unified, ...named, ...(withControllers ? controllers : [])];
  }

  async create(): Promise<void> {
    for (const hierarchy of this.#used) {
      const directory = join(hierarchy, this.#path);
      await mkdir(directory, { recursive: true });
      if (existsSync(join(directory, 'cpuset.cpus'))) await inheritCpuset(hierarchy, directory);
    }
  }

  /** The argv that runs `argv` in a group below this one (in this one itself: ''). */
  wrap(argv: readonly string[], below = ''): string[] {
    const script = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"';
    const directories = this.#used.map((hierarchy) => join(hierarchy, this.#path, below));
    return ['sh', '-c', script, 'sh', ...(below === '' ? directories : directories.slice(0, 1)), '--', ...argv];
  }

  /** Makes a group below this one, in the unified hierarchy, for processes that came from outside. */
  async createBelow(name: string): Promise<void> {
    await mkdir(join(this.#hierarchies.unified, this.#path, name), { recursive: true });
  }

  /** SIGKILL to all at once, frozen ones too, or only to those in the group below; returns when none is left. */
  async kill(below = ''): Promise<void> {
    const directory = join(this.#hierarchies.unified, this.#path);
    if (!existsSync(directory)) return;
    const part = existsSync(join(directory, below)) ? below : '';
    await writeFile(join(directory, part, 'cgroup.kill'), '1');
    await this.#awaitEvent('populated 0', part);
  }

  async freeze(): Promise<void> {
    await this.#writeFreeze('1');
    await this.#awaitEvent('frozen 1');
  }

  async thaw(): Promise<void> {
    await this.#writeFreeze('0').catch(() => undefined); // removed meanwhile
    await this.#awaitEvent('frozen 0');
  }

  /** Removes the group and all below it, in every hierarchy; it must be empty of processes. */
  async remove(): Promise<void> {
    const { unified, named, controllers } = this.#hierarchies;
    for (const hierarchy of [unified, ...named, ...controllers]) await removeTree(join(hierarchy, this.#path));
  }

  async #writeFreeze(value: '0' | '1'): Promise<void> {
    await writeFile(join(this.#hierarchies.unified, this.#path, 'cgroup.freeze'), value);
  }

  async #awaitEvent(line: string, below = ''): Promise<void> {
    const file = join(this.#hierarchies.unified, this.#path, below, 'cgroup.events');
    await eventually(
      `${line} in ${file}`,
      20_000,
      async () => {
        if (!existsSync(file)) return true; // removed meanwhile: nothing was left in it
        const text = await readFile(file, 'utf8');
        if (text.includes(line)) return true;
        throw new Error(text.trim());
      },
      5,
    );
  }
}

/** A cpuset of version 1 takes no process before it has CPUs and memory nodes. */
async function inheritCpuset(hierarchy: string, directory: string): Promise<void> {
  if (directory === hierarchy) return;
  await inheritCpuset(hierarchy, dirname(directory));
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if ((await readFile(join(directory, file), 'utf8')).trim() !== '') continue;
    await writeFile(join(directory, file), await readFile(join(dirname(directory), file), 'utf8'));
  }
}

async function removeTree(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  const entries = await readdir(directory, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  // The kernel lets go of a dead process's group a moment after the process is gone.
  await eventually(`an empty ${directory}`, 10_000, async () => rmdir(directory).then(() => true), 5);
}
