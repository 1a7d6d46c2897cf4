import type { Health, ObservedInstance } from '../../domain/status.ts';
import type { Ownership } from './labels.ts';

/** What is read of `GET /containers/{id}/json`. */
export interface InspectedContainer {
  readonly Id: string;
  readonly Name?: string;
  readonly RestartCount?: number;
  readonly Config?: {
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Env?: readonly string[] | null;
    readonly StopTimeout?: number;
  };
  readonly HostConfig?: { readonly Memory?: number; readonly CgroupParent?: string };
  readonly State: {
    readonly Status: string;
    readonly Running?: boolean;
    readonly Pid?: number;
    readonly ExitCode?: number;
    readonly OOMKilled?: boolean;
    readonly Error?: string;
    readonly StartedAt?: string;
    readonly FinishedAt?: string;
    readonly Health?: {
      readonly Status: string;
      readonly Log?: readonly { readonly ExitCode?: number; readonly Output?: string }[] | null;
    };
  };
  readonly NetworkSettings?: {
    readonly Networks?: Readonly<
      Record<string, { readonly IPAddress?: string; readonly GlobalIPv6Address?: string } | null>
    > | null;
  };
}

/** What else bears on how a container's state is shown. */
export interface ObserveContext {
  /** The wall clock when it was inspected: Docker's times are wall times of the same machine. */
  readonly wallMs: number;
  /** This process asked Docker to stop it: then whatever its exit code, it was stopped. */
  readonly stopOrdered: boolean;
}

type Phase = ObservedInstance['phase'];

/** Translates Docker's view of a container that we own. */
export function observeContainer(
  container: InspectedContainer,
  owner: Ownership,
  context: ObserveContext,
): ObservedInstance {
  const { State: state } = container;
  const phase = phaseOf(container, context.stopOrdered);
  const startedAt = realTime(state.StartedAt);
  const finishedAt = isAlive(state.Status) ? undefined : realTime(state.FinishedAt);
  const error = errorOf(container, phase);
  const addresses = addressesOf(container);
  const hasEnded = state.Status === 'exited' || state.Status === 'dead' || phase === 'failed';
  return {
    key: owner.key,
    specHash: owner.specHash,
    disconnect: owner.disconnect,
    phase,
    everStarted: startedAt !== undefined || phase === 'failed',
    health: healthOf(container),
    runningForMs:
      isAlive(state.Status) && startedAt
        ? Math.max(0, context.wallMs - Temporal.Instant.from(startedAt).epochMilliseconds)
        : 0,
    runtimeRestarts: container.RestartCount ?? 0,
    restartsItself: false,
    container: { id: container.Id, state: state.Status },
    ...(startedAt && { startedAt }),
    ...(finishedAt && { finishedAt }),
    ...(hasEnded && state.ExitCode !== undefined && { exitCode: state.ExitCode }),
    ...(error && { error }),
    ...(state.Pid && { pid: state.Pid }),
    ...(addresses.length > 0 && { addresses }),
  };
}

/** A paused container still holds what it holds: it runs, and is unhealthy. */
function isAlive(status: string): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting';
}

function phaseOf({ State: state }: InspectedContainer, stopOrdered: boolean): Phase {
  switch (state.Status) {
    case 'running':
    case 'paused':
      return 'running';
    case 'restarting':
      return 'starting';
    case 'removing':
      return 'stopping';
    case 'created': // its start failed, or nobody has started it yet
      return state.Error || (state.ExitCode ?? 0) !== 0 ? 'failed' : 'stopped';
    case 'exited':
      return stopOrdered || isCleanExit(state) ? 'stopped' : 'failed';
    default:
      return 'failed';
  }
}

/** 0, or the end by a signal that asks a process to end: what systemd also takes as clean. */
function isCleanExit(state: InspectedContainer['State']): boolean {
  return !state.OOMKilled && !state.Error && [0, 129, 130, 141, 143].includes(state.ExitCode ?? 0);
}

function healthOf({ State: state }: InspectedContainer): Health {
  if (state.Status === 'paused') return 'unhealthy';
  const health = state.Health?.Status;
  if (health === 'starting' || health === 'healthy' || health === 'unhealthy') return health;
  return 'none';
}

function errorOf(container: InspectedContainer, phase: Phase): string | undefined {
  const { State: state } = container;
  if (state.Status === 'paused') return 'paused: somebody froze it with docker pause';
  if (state.OOMKilled && phase === 'failed') return `out of memory: killed at its limit${limitOf(container)}`;
  if (phase === 'failed') return state.Error ? oneLine(state.Error) : describeExit(state.ExitCode ?? 0);
  if (phase === 'running' && state.Health?.Status === 'unhealthy') {
    const output = oneLine(state.Health.Log?.findLast(({ ExitCode: code }) => code !== 0)?.Output ?? '');
    return output === '' ? 'its health check fails' : `its health check fails: ${output}`;
  }
  return undefined;
}

function limitOf(container: InspectedContainer): string {
  const bytes = container.HostConfig?.Memory ?? 0;
  return bytes > 0 ? ` of ${Math.round(bytes / 1048576)} MiB` : '';
}

function describeExit(code: number): string {
  return code > 128 && code < 160 ? `ended by signal ${code - 128}` : `ended with exit code ${code}`;
}

function oneLine(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length <= 300 ? line : `${line.slice(0, 300)}…`;
}

/** Docker writes the year 1 for "never". */
function realTime(time: string | undefined): string | undefined {
  return time === undefined || time.startsWith('0001-') ? undefined : time;
}

function addressesOf(container: InspectedContainer): string[] {
  const networks = Object.values(container.NetworkSettings?.Networks ?? {});
  return networks.flatMap((network) => [network?.IPAddress, network?.GlobalIPv6Address].filter((a) => !!a) as string[]);
}
