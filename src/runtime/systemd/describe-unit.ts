import type { ObservedInstance } from '../../domain/status.ts';
import type { UnitProperties } from './unit-states.ts';
import type { OwnershipRecord } from './unit-text.ts';

/** waitid(2)'s code of a process that exited by itself; the others were killed. */
const CLD_EXITED = 1;

/** Why systemd couldn't even execute, by the status that it gives the process (systemd.exec(5)). */
const execFailures: Readonly<Record<number, string>> = {
  200: 'its working directory cannot be entered',
  203: 'its program cannot be executed',
  209: 'its standard output cannot be opened',
  216: 'its group cannot be taken',
  217: 'its user cannot be taken',
  226: 'its namespace cannot be set up',
  238: 'its state directory cannot be made',
  243: 'its credentials cannot be set up',
};

/** Translates systemd's words of an owned unit into ours. */
export function describeUnit(
  record: OwnershipRecord,
  properties: UnitProperties,
  { everStarted, monotonicUs }: { readonly everStarted: boolean; readonly monotonicUs: number },
): ObservedInstance {
  const active = text(properties, 'ActiveState');
  const phase =
    hasJob(properties) && active === 'inactive' ? 'starting' : phaseOf(active, text(properties, 'LoadState'));
  const isUp = active === 'active' || active === 'reloading' || active === 'refreshing';
  const startedUs = count(properties, 'ActiveEnterTimestamp');
  const finishedUs = count(properties, 'InactiveEnterTimestamp');
  const isOver = phase === 'stopped' || phase === 'failed';
  const exitCode = isOver ? exitCodeOf(properties) : undefined;
  const error = errorOf(phase, properties);
  const pid = count(properties, 'MainPID');
  const restart = text(properties, 'Restart');
  return {
    key: record.key,
    specHash: record.specHash,
    disconnect: record.disconnect,
    phase,
    everStarted,
    health: 'none',
    runningForMs: isUp ? Math.max(0, (monotonicUs - count(properties, 'ActiveEnterTimestampMonotonic')) / 1000) : 0,
    ...(startedUs > 0 ? { startedAt: isoTime(startedUs) } : {}),
    ...(isOver && finishedUs > 0 ? { finishedAt: isoTime(finishedUs) } : {}),
    ...(exitCode === undefined ? {} : { exitCode }),
    runtimeRestarts: count(properties, 'NRestarts'),
    restartsItself: record.disconnect === 'keep' && restart !== '' && restart !== 'no',
    ...(error === undefined ? {} : { error }),
    unit: { load: text(properties, 'LoadState'), active, sub: text(properties, 'SubState') },
    ...(pid > 0 ? { pid } : {}),
  };
}

/** True while systemd itself shows that the unit was started: it's up or on its way. */
export function isStartSeen(properties: UnitProperties): boolean {
  return ['active', 'activating', 'reloading', 'refreshing'].includes(text(properties, 'ActiveState'));
}

/** A job of the unit waits for its turn, or runs: on a unit that isn't up it is one that will start it. */
function hasJob(properties: UnitProperties): boolean {
  const job = properties.get('Job');
  return Array.isArray(job) && typeof job[0] === 'number' && job[0] > 0;
}

function phaseOf(active: string, load: string): ObservedInstance['phase'] {
  switch (active) {
    case 'active':
    case 'reloading':
    case 'refreshing':
      return 'running';
    case 'activating':
      return 'starting';
    case 'deactivating':
      return 'stopping';
    case 'inactive':
      return load === 'loaded' ? 'stopped' : 'failed';
    default:
      return 'failed'; // `failed`, `maintenance`
  }
}

/** As shells and Docker have it: 128 and the signal for a killed process. */
function exitCodeOf(properties: UnitProperties): number | undefined {
  const code = count(properties, 'ExecMainCode');
  if (code === 0) return undefined;
  const status = count(properties, 'ExecMainStatus');
  return code === CLD_EXITED ? status : 128 + status;
}

function errorOf(phase: ObservedInstance['phase'], properties: UnitProperties): string | undefined {
  const load = text(properties, 'LoadState');
  if (phase === 'failed' && load !== 'loaded') return `systemd cannot load the unit: ${load}`;
  const endedBadly = text(properties, 'SubState') === 'auto-restart' && text(properties, 'Result') !== 'success';
  return phase === 'failed' || endedBadly ? describeFailure(properties) : undefined;
}

/** Why the unit's last run failed, in systemd's word and ours: `exit-code: the main process exited with status 3`. */
export function describeFailure(properties: UnitProperties): string {
  const result = text(properties, 'Result');
  const code = count(properties, 'ExecMainCode');
  const status = count(properties, 'ExecMainStatus');
  if (code === 0) return result;
  if (code !== CLD_EXITED) return `${result}: the main process was killed by signal ${status}`;
  const why = execFailures[status];
  return `${result}: the main process exited with status ${status}${why === undefined ? '' : ` (${why})`}`;
}

function text(properties: UnitProperties, name: string): string {
  const value = properties.get(name);
  return typeof value === 'string' ? value : '';
}

/** A number of systemd's; it writes "none" as the greatest that fits. */
function count(properties: UnitProperties, name: string): number {
  const value = properties.get(name);
  if (typeof value === 'number') return value;
  return typeof value === 'bigint' && value < BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : 0;
}

function isoTime(microseconds: number): string {
  // oxlint-disable-next-line no-restricted-globals -- writes a time that was read elsewhere; reads no clock
  return new Date(Math.floor(microseconds / 1000)).toISOString();
}
