import { join } from 'node:path/posix';
import { AgentError } from '../../domain/errors.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Log } from '../../loop/log.ts';
import { listProcesses } from '../control-group-usage.ts';
import type { Containers } from './containers.ts';
import { isAlive } from './is-as-ordered.ts';
import type { InspectedContainer } from './observe-container.ts';

export interface LostProcessesOptions {
  readonly containers: Pick<Containers, 'inspect'>;
  /** SIGKILL, to a process of this machine that may be gone by now. */
  readonly killProcess: (pid: number) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Prefixed to paths below /sys. */
  readonly root?: string | undefined;
}

/** What became of it. `alive`: dockerd knows that it runs, by now if not when it was inspected. `runs`: it doesn't, and it can't be ended. */
export type LostOutcome = 'alive' | 'ended' | 'runs';

/** Where a machine may have the hierarchies of its control groups: version 2 alone, both, or version 1 alone. */
const hierarchies = ['', 'unified', 'systemd', 'memory', 'pids', 'cpu'];
/** A process that was killed is gone within that, but for one that hangs in the kernel. */
const END_WAIT_MS = 1_000;
const END_LOOK_MS = 20;

/**
 * Ends what runs of a container that dockerd takes for dead. A dockerd that ends while it starts a container (live restore keeps what
 * runs) knows nothing of it when it's back: the container is "created" or "exited", removed and made anew without a question, and its
 * processes go on. Kin: moby/moby#15397, #31699. Found by a storm, with Docker 20.10.24.
 */
export class LostProcesses {
  readonly #options: LostProcessesOptions;

  constructor(options: LostProcessesOptions) {
    this.#options = options;
  }

  /** Of a container that is ours, as it was inspected. One that is alive by now is left alone. */
  async end(container: InspectedContainer, signal: AbortSignal): Promise<LostOutcome> {
    if (isUnderway(container)) return 'alive';
    if ((await this.#find(container)).length === 0) return 'ended';
    // dockerd holds the answer back while it starts or stops it: what it says of that is true.
    const again = await this.#options.containers.inspect(container.Id, signal);
    if (again !== undefined && isUnderway(again)) return 'alive';
    return (await this.#kill(container, signal)) ? 'ended' : 'runs';
  }

  /** As {@link end}, for whoever is about to stop, remove or replace it. `UNAVAILABLE` while something of it runs that can't be ended. */
  async mustEnd(container: InspectedContainer, name: string, signal: AbortSignal): Promise<void> {
    if ((await this.end(container, signal)) !== 'runs') return;
    signal.throwIfAborted();
    const message = `Cannot end what runs in container "${name}": Docker takes it for dead, expected its processes to end when they are killed`;
    throw new AgentError('UNAVAILABLE', message);
  }

  async #kill(container: InspectedContainer, signal: AbortSignal): Promise<boolean> {
    const { killProcess, clock, log } = this.#options;
    const fields = { container: container.Id, name: container.Name, state: container.State.Status };
    const untilMs = clock.monotonicMs() + END_WAIT_MS;
    for (let count = 0; ; ) {
      const pids = await this.#find(container);
      if (pids.length === 0) {
        if (count > 0)
          log.warn({ ...fields, processes: count }, 'ended what ran in a container that docker takes for dead');
        return true;
      }
      if (clock.monotonicMs() >= untilMs || signal.aborted) {
        log.error({ ...fields, pids }, 'what runs in a container that docker takes for dead does not end');
        return false;
      }
      count = Math.max(count, pids.length);
      for (const pid of pids) killProcess(Number(pid));
      await clock.sleep(END_LOOK_MS, signal);
    }
  }

  async #find(container: InspectedContainer): Promise<readonly string[]> {
    const { root = '' } = this.#options;
    for (const group of controlGroupsOf(container)) {
      for (const hierarchy of hierarchies) {
        const pids = await listProcesses(join(root, '/sys/fs/cgroup', hierarchy, group));
        if (pids.length > 0) return pids;
      }
    }
    return [];
  }
}

/** It runs, or dockerd is about to change that. */
function isUnderway(container: InspectedContainer): boolean {
  return isAlive(container) || container.State.Status === 'removing';
}

/**
 * Where its processes are, below the root of a hierarchy: by the parent that it was made with, or else by dockerd's own for each driver.
 * A daemon that was given another parent for all of them doesn't tell.
 */
export function controlGroupsOf({ Id: id, HostConfig: host }: InspectedContainer): readonly string[] {
  if (!/^[0-9a-f]{64}$/.test(id)) return [];
  const parent = host?.CgroupParent ?? '';
  if (parent === '') return [`/system.slice/docker-${id}.scope`, `/docker/${id}`];
  const isSlice = parent.endsWith('.slice') && !parent.includes('/'); // as the systemd driver takes it
  return [isSlice ? `${slicePath(parent)}/docker-${id}.scope` : join('/', parent, id)];
}

/** A dash in the name of a slice means below: systemd.slice(5). */
function slicePath(slice: string): string {
  const parts = slice.slice(0, -'.slice'.length).split('-');
  return parts.map((_part, at) => `/${parts.slice(0, at + 1).join('-')}.slice`).join('');
}
