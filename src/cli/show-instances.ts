import type { Health, Phase } from '../domain/status.ts';
import type { InstanceRow } from '../wire/answers.ts';
import type { Context, Tone } from './context.ts';
import { formatAge, formatTime } from './durations.ts';
import type { Cell, Column } from './table.ts';

const phaseTones: Readonly<Record<Phase, Tone>> = {
  pending: 'warn',
  pulling: 'warn',
  starting: 'warn',
  running: 'good',
  stopping: 'warn',
  stopped: 'dim',
  failed: 'bad',
  orphan: 'warn',
  lost: 'bad',
};

const healthTones: Readonly<Record<Health, Tone>> = {
  starting: 'warn',
  healthy: 'good',
  unhealthy: 'bad',
  none: 'dim',
};

/** How a phase looks. */
export function phaseCell(phase: Phase): Cell {
  return { text: phase, tone: phaseTones[phase] };
}

/** The columns of `muster ps`; `wide`: with exact times and what sets copies apart. */
export function instanceColumns({ wide }: { readonly wide: boolean }): readonly Column[] {
  return [
    { title: 'INSTANCE' },
    { title: 'NODE' },
    { title: 'PHASE' },
    { title: 'HEALTH', spare: 4 },
    { title: 'FOR', align: 'right', spare: 1 },
    ...(wide ? [{ title: 'SINCE', spare: 2 }] : []),
    { title: 'RESTARTS', align: 'right', spare: 3 },
    ...(wide ? [{ title: 'SPEC', align: 'right', spare: 6 } as const, { title: 'ADDRESSES', spare: 7 }] : []),
    { title: 'PORTS', shrinks: true, spare: 5 },
    { title: 'WHY', shrinks: true },
  ];
}

/** A copy as a line of `muster ps`. */
export function instanceCells(
  context: Pick<Context, 'clock' | 'utc' | 'timeZone'>,
  row: InstanceRow,
  { wide }: { readonly wide: boolean },
): readonly Cell[] {
  const since = row.since === undefined ? '-' : formatTime(row.since, context);
  return [
    { text: row.display, tone: 'strong' },
    { text: row.node?.hostname ?? '-' },
    phaseCell(row.phase),
    healthCell(row),
    { text: formatAge(row.since, context.clock.wallTime()) },
    ...(wide ? [{ text: since }] : []),
    { text: String(row.restarts), tone: row.restarts > 0 ? 'warn' : 'plain' },
    ...(wide ? [{ text: String(row.spec ?? '-') }, { text: (row.addresses ?? []).join(' ') || '-' }] : []),
    { text: (row.ports ?? []).join(' ') },
    { text: describeRow(row) },
  ];
}

/** Why a copy is as it is, with what sets it apart from a usual one. */
export function describeRow(row: InstanceRow): string {
  const marks = [
    row.role === 'superseded' ? 'replaced by another copy' : '',
    row.node !== undefined && row.role !== 'orphan' && !row.upToDate ? `still spec ${row.spec ?? '?'}` : '',
    row.progress ?? '',
    saidReason(row) ?? (row.phase === 'failed' ? row.lastError : undefined) ?? '',
  ];
  return [...new Set(marks)].filter((mark) => mark !== '').join('; ');
}

/** That it runs since it was told to goes without saying. */
function saidReason({ reason, phase, healthy }: InstanceRow): string | undefined {
  return reason === 'assigned-here' && phase === 'running' && healthy ? undefined : reason;
}

function healthCell({ health, healthy, phase }: InstanceRow): Cell {
  if (phase !== 'running') return { text: '-', tone: 'dim' };
  if (health !== 'none') return { text: health, tone: healthTones[health] };
  return healthy ? { text: 'ok', tone: 'good' } : { text: 'new', tone: 'warn' };
}
