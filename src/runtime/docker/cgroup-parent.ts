import { AgentError } from '../../domain/errors.ts';
import type { Engine } from './engine.ts';

/** Where all processes of `stop` instances are, so that the dead man's switch finds them without dockerd. */
const STOP_SLICE = 'muster-stop.slice';
/** dockerd's own driver takes a path as it is: the short form would be another group, outside the slice. */
const STOP_SLICE_PATH = '/muster.slice/muster-stop.slice';

/** The parent for containers of `stop` instances, in the form that this daemon's driver takes. It may have changed with a restart. */
export async function findStopGroup(
  engine: Pick<Engine, 'call'>,
  path: string = STOP_SLICE_PATH,
  signal: AbortSignal,
): Promise<string> {
  const { status, body, message } = await engine.call({ method: 'GET', path: '/info' }, signal);
  const driver = status === 200 ? (body as { readonly CgroupDriver?: unknown }).CgroupDriver : message;
  if (driver === 'systemd') return STOP_SLICE;
  if (driver === 'cgroupfs') return path;
  throw new AgentError(
    'UNAVAILABLE',
    `Cannot run a container with disconnect "stop": expected Docker's cgroup driver to be systemd or cgroupfs, it is "${String(driver)}"`,
  );
}
