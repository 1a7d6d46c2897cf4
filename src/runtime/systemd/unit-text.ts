import type { InstanceKey } from '../../domain/ids.ts';
import { unitName } from '../../domain/names.ts';
import type { DisconnectMode } from '../../domain/spec.ts';
import { unitType } from './unit-names.ts';

/** What heads each unit file that we write: the file and the proof that it's ours come and go in one step. */
export interface OwnershipRecord {
  readonly cluster: string;
  readonly key: InstanceKey;
  readonly specHash: string;
  readonly assignmentRevision: number;
  readonly disconnect: DisconnectMode;
}

const MARK = '# muster: ';
const STOP_SLICE = 'Slice=muster-stop.slice';

/**
 * The file of a unit: the record, the text byte for byte, and our own settings last, where they win. They are no drop-in:
 * that would be a second file, and a crash between the two could leave it to a unit of the host.
 */
export function composeUnitFile(record: OwnershipRecord, text: string): string {
  const { cluster, key, specHash, assignmentRevision, disconnect } = record;
  const head = JSON.stringify({ version: 1, cluster, key, specHash, assignmentRevision, disconnect });
  return `${MARK}${head}\n${text}${ownSettings(unitName(key), disconnect)}`;
}

/** The empty lines end a continuation that the text might end with. */
function ownSettings(unit: string, disconnect: DisconnectMode): string {
  const type = unitType(unit);
  const lines = disconnect === 'stop' ? fenceSettings(type) : [];
  if (type === 'service') {
    if (disconnect === 'keep') lines.push('[Service]');
    lines.push(`EnvironmentFile=-/run/muster/env/%n`);
  }
  return lines.length === 0 ? '\n' : `${['', '', '# Added by muster', ...lines].join('\n')}\n`;
}

/**
 * With the lease's target gone, systemd stops the unit and refuses to start it, whoever asks: with `BindsTo=` a late start would
 * pull the target in. Processes are where the dead man's switch finds them. A unit's own way to stop stays as its file says.
 */
function fenceSettings(type: string): string[] {
  const lease = 'muster-lease.target';
  const lines = ['[Unit]', `Requisite=${lease}`, `PartOf=${lease}`, `After=${lease}`];
  if (type === 'socket') lines.push('[Socket]', STOP_SLICE);
  if (type === 'service') lines.push('[Service]', STOP_SLICE, 'Restart=no');
  return lines;
}

/** The record that heads a file of this name; undefined when the file is not ours. */
export function parseOwnership(unit: string, content: string): OwnershipRecord | undefined {
  if (!content.startsWith(MARK)) return undefined;
  const end = content.indexOf('\n');
  try {
    const record: unknown = JSON.parse(content.slice(MARK.length, end < 0 ? undefined : end));
    return isRecord(record) && unitName(record.key) === unit ? record : undefined;
  } catch {
    return undefined; // a comment of someone else's
  }
}

function isRecord(value: unknown): value is OwnershipRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record: Partial<Record<keyof OwnershipRecord, unknown>> = value;
  return (
    typeof record.cluster === 'string' &&
    typeof record.key === 'string' &&
    record.key.includes('/') &&
    typeof record.specHash === 'string' &&
    typeof record.assignmentRevision === 'number' &&
    (record.disconnect === 'keep' || record.disconnect === 'stop')
  );
}

/** True when two files differ in what systemd reads of them; the revision in the record's line changes nothing. */
export function isSameUnit(fileA: string, fileB: string): boolean {
  return fileA.slice(fileA.indexOf('\n')) === fileB.slice(fileB.indexOf('\n'));
}

/** The values of a setting in the [Install] section, split at spaces; undefined when the text has no such section. */
export function installSection(text: string): ReadonlyMap<string, readonly string[]> | undefined {
  let section = '';
  let found: Map<string, string[]> | undefined;
  for (const line of text.replaceAll(/\\\n/g, ' ').split('\n')) {
    const trimmed = line.trim();
    if (trimmed.startsWith('#') || trimmed.startsWith(';')) continue;
    if (trimmed.startsWith('[')) {
      section = trimmed;
      if (section === '[Install]') found ??= new Map();
      continue;
    }
    const at = trimmed.indexOf('=');
    if (section !== '[Install]' || found === undefined || at < 0) continue;
    const name = trimmed.slice(0, at).trim();
    const values = trimmed
      .slice(at + 1)
      .split(/\s+/)
      .filter((value) => value !== '');
    found.set(name, [...(found.get(name) ?? []), ...values]);
  }
  return found;
}

/** As EnvironmentFile= reads it: quoted, so that no value ends its line or begins another. */
export function composeEnvironment(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name, value]) => `${name}="${value.replaceAll(/["\\$`]/g, '\\$&')}"\n`)
    .join('');
}
