import type { WorkloadDocument } from './document.ts';
import type { DisconnectMode, Needs, RunSpec, Workload } from './spec.ts';

/** What placement must know of a document. Reservations default to the container's own limits. */
export function deriveNeeds(document: Pick<WorkloadDocument, 'run' | 'reserve'>): Needs {
  const { run, reserve } = document;
  const container = run.kind === 'container' ? run : undefined;
  return {
    runtime: container === undefined ? 'systemd' : 'docker',
    memoryBytes: reserve?.memoryBytes ?? container?.memoryBytes ?? 0,
    cpus: reserve?.cpus ?? container?.cpus ?? 0,
    ports: (container?.ports ?? []).map(({ hostIp, hostPort, protocol }) => ({
      ...(hostIp === undefined ? {} : { hostIp }),
      port: hostPort,
      protocol,
    })),
    volumes: volumesOf(run),
  };
}

/** `start-first` where two copies may run side by side for a moment: not with a fixed port or data of its own. */
export function defaultMoveOrder(run: RunSpec, mode: DisconnectMode): Workload['moveOrder'] {
  if (mode === 'stop' || volumesOf(run).length > 0) return 'stop-first';
  const fixedPort = run.kind === 'container' && (run.ports.length > 0 || run.networkMode === 'host');
  return fixedPort ? 'stop-first' : 'start-first';
}

/** An instance with a named local volume waits for its node: elsewhere it would come up empty. */
export function defaultSticky(run: RunSpec): boolean {
  return volumesOf(run).length > 0;
}

function volumesOf(run: RunSpec): string[] {
  if (run.kind !== 'container') return [];
  return [...new Set(run.mounts.flatMap((mount) => (mount.type === 'volume' ? [mount.source] : [])))].sort();
}
