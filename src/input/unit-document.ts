import { checkDocument } from '../domain/check-document.ts';
import { ANYWHERE, type WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import { parseWorkloadName } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import { defaultMoveOrder, defaultSticky } from '../domain/needs.ts';
import { parseSizeBytes } from '../domain/quantity.ts';
import type { Placement, Workload } from '../domain/spec.ts';
import { storedPlacement } from '../domain/specifiers.ts';
import { OptionReader } from './option-reader.ts';
import { given, readDisconnectOptions, readRescheduleOptions } from './policy-fields.ts';
import { type Place, parseAt, quote } from './refuse.ts';
import { parseUnitFile } from './unit-file.ts';
import { readPlacementOptions } from './unit-options.ts';

/** A document, and what an operator should be told of it. */
export interface ParsedDocument {
  readonly document: WorkloadDocument;
  readonly warnings: readonly string[];
  readonly at: Place;
}

/** Everything but name and run part. */
export type Policies = Omit<WorkloadDocument, 'name' | 'run'>;

/** A workload from a unit file's text, kept byte for byte, with the placement that its own section has. */
export function parseUnitDocument(name: string, text: string, at: Place): ParsedDocument {
  const { policies, warnings } = readUnitPolicies(text, at.file);
  const workload = parseAt(at, () => parseWorkloadName(name));
  const document = {
    name: workload,
    run: { kind: 'unit', text },
    ...policies,
    placement: storedPlacement(policies.placement, workload),
  } as const;
  parseAt(at, () => checkDocument(document));
  return { document, warnings, at };
}

/** What the unit's `[X-Muster]` or `[X-Fleet]` section says; `explicit`: it has one. */
export function readUnitPolicies(
  text: string,
  file: string,
): { readonly policies: Policies; readonly warnings: readonly string[]; readonly explicit: boolean } {
  if (text.length > LIMITS.unitTextBytes) {
    const message = `Cannot use ${file}: expected a unit text of at most ${LIMITS.unitTextBytes} bytes, got ${text.length}`;
    throw new AgentError('LIMIT', message);
  }
  const options = readPlacementOptions(parseUnitFile(text, file), file);
  const reader = new OptionReader(options, file);
  const disconnect = readDisconnectOptions(reader);
  const run = { kind: 'unit', text } as const;
  const memoryBytes = reader.last('Memory', parseSizeBytes);
  const cpus = reader.last('CPUs', parseCpus);
  const reserve = { ...(memoryBytes === undefined ? {} : { memoryBytes }), ...(cpus === undefined ? {} : { cpus }) };
  const policies: Policies = {
    scale: readScale(reader),
    placement: readPlacement(reader),
    disconnect,
    ...given('offlineStart', reader.flag('OfflineStart')),
    ...given('launch', reader.flag('Launch') === false ? (false as const) : undefined),
    ...given('reschedule', readRescheduleOptions(reader)),
    moveOrder: reader.word('MoveOrder', ['start-first', 'stop-first']) ?? defaultMoveOrder(run, disconnect.mode),
    sticky: reader.flag('Sticky') ?? defaultSticky(run),
    ...(Object.keys(reserve).length === 0 ? {} : { reserve }),
  };
  return { policies, warnings: [...(options?.warnings ?? []), ...reader.warnings], explicit: options !== undefined };
}

function readScale(reader: OptionReader): Workload['scale'] {
  const replicas = reader.last('Replicas', parseReplicas);
  if (reader.flag('Global') !== true) return { kind: 'replicas', replicas: replicas ?? 1 };
  if (replicas !== undefined)
    throw reader.refuse('Replicas', 'no Replicas with Global: there is one instance on each node');
  return { kind: 'global' };
}

function readPlacement(reader: OptionReader): Placement {
  const machineId = reader.values('MachineID')[0]?.value;
  return {
    ...ANYWHERE,
    machineIds: machineId === undefined ? [] : [machineId],
    machineOf: reader.names('MachineOf'),
    labels: reader.labels('MachineMetadata'),
    conflicts: reader.names('Conflicts'),
    replaces: reader.names('Replaces'),
  };
}

/** Accepts a whole number of copies. */
export function parseReplicas(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (count > LIMITS.replicas) {
    throw new AgentError('LIMIT', `Cannot run ${count} replicas: expected at most ${LIMITS.replicas}`);
  }
  if (count >= 0) return count;
  throw new AgentError('INVALID_INPUT', `Cannot parse replicas ${quote(text)}: expected 0 to ${LIMITS.replicas}`);
}

/** Accepts a number of CPUs, as `0.5`. */
export function parseCpus(text: string): number {
  const cpus = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (cpus > 0) return cpus;
  throw new AgentError('INVALID_INPUT', `Cannot parse CPUs ${quote(text)}: expected a number as "0.5" or "2"`);
}
