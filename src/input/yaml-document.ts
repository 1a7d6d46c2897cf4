import { checkDocument } from '../domain/check-document.ts';
import type { WorkloadDocument } from '../domain/document.ts';
import { parseWorkloadName } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import { defaultMoveOrder, defaultSticky } from '../domain/needs.ts';
import type { Placement, RunSpec, Workload } from '../domain/spec.ts';
import { storedPlacement } from '../domain/specifiers.ts';
import { CONTAINER_KEYS, readContainer } from './container-fields.ts';
import { Fields } from './fields.ts';
import { given, readDisconnectFields, readRescheduleFields } from './policy-fields.ts';
import { parseAt, quote, refuse } from './refuse.ts';
import { type ParsedDocument, parseCpus, parseUnitDocument, readUnitPolicies } from './unit-document.ts';
import { parseYamlTrees, type Tree } from './yaml-tree.ts';

const policyKeys = [
  'replicas',
  'global',
  'placement',
  'disconnect',
  'offlineStart',
  'reschedule',
  'moveOrder',
  'sticky',
  'reserve',
];
const keys = ['name', ...policyKeys.slice(0, 2), 'container', 'unit', ...policyKeys.slice(2)];

/** The workloads of a YAML file: one or more documents, each one workload. */
export function parseYamlDocuments(text: string, file: string): ParsedDocument[] {
  return parseYamlTrees(text, file).map((tree) => readDocument(tree, file));
}

function readDocument(tree: Tree, file: string): ParsedDocument {
  const fields = new Fields(tree, file, '', keys);
  const name = fields.text('name');
  if (name === undefined) throw fields.refuse('name', 'a "name"');
  if (fields.has('container') === fields.has('unit')) throw fields.refuse('', 'either "container" or "unit"');
  return fields.has('unit') ? readUnit(fields, name, file) : readContainerWorkload(fields, name, file);
}

function readContainerWorkload(fields: Fields, name: string, file: string): ParsedDocument {
  const container = fields.fields('container', CONTAINER_KEYS);
  if (container === undefined) throw fields.refuse('container', 'a map');
  return complete(fields, name, readContainer(container, file), file);
}

/** The unit's own section says where it may run, or the document does: not both. */
function readUnit(fields: Fields, name: string, file: string): ParsedDocument {
  const text = fields.text('unit') ?? '';
  const place = fields.place('unit');
  const { explicit } = parseAt(place, () => readUnitPolicies(text, 'unit'));
  const doubled = policyKeys.find((key) => fields.has(key));
  if (!explicit) return complete(fields, name, { kind: 'unit', text }, file);
  if (doubled !== undefined) {
    throw refuse(`key ${quote(doubled)}`, fields.place(doubled), "placement either here or in the unit's own section");
  }
  return { ...parseAt(place, () => parseUnitDocument(name, text, { file: 'unit', line: 1 })), at: fields.at };
}

function complete(fields: Fields, name: string, run: RunSpec, file: string): ParsedDocument {
  const workload = parseAt(fields.place('name'), () => parseWorkloadName(name));
  const disconnect = readDisconnectFields(fields);
  const reserve = readReserve(fields);
  const document: WorkloadDocument = {
    name: workload,
    run,
    scale: readScale(fields),
    placement: storedPlacement(readPlacement(fields, file), workload),
    disconnect,
    ...given('offlineStart', fields.flag('offlineStart')),
    ...given('reschedule', readRescheduleFields(fields)),
    moveOrder: fields.word('moveOrder', ['start-first', 'stop-first']) ?? defaultMoveOrder(run, disconnect.mode),
    sticky: fields.flag('sticky') ?? defaultSticky(run),
    ...(reserve === undefined ? {} : { reserve }),
  };
  parseAt(fields.at, () => checkDocument(document));
  return { document, warnings: [], at: fields.at };
}

function readScale(fields: Fields): Workload['scale'] {
  const replicas = fields.integer('replicas', 0, LIMITS.replicas);
  if (fields.flag('global') !== true) return { kind: 'replicas', replicas: replicas ?? 1 };
  if (replicas !== undefined)
    throw fields.refuse('replicas', 'no replicas with "global: true": there is one on each node');
  return { kind: 'global' };
}

function readReserve(fields: Fields): WorkloadDocument['reserve'] {
  const reserve = fields.fields('reserve', ['memory', 'cpus']);
  if (reserve === undefined) return undefined;
  const memoryBytes = reserve.sizeBytes('memory');
  const cpus = reserve.parsed('cpus', parseCpus);
  return { ...(memoryBytes === undefined ? {} : { memoryBytes }), ...(cpus === undefined ? {} : { cpus }) };
}

function readPlacement(document: Fields, file: string): Placement {
  const fields = document.fields('placement', ['constraints', 'conflicts', 'machineOf', 'machineId', 'replaces']);
  const labels = new Map<string, string[]>();
  for (const item of fields?.list('constraints') ?? []) {
    const text = item.kind === 'scalar' && typeof item.value === 'string' ? item.value : '';
    const [, key, value] = /^([^=!<>\s]+)={1,2}([^=]+)$/.exec(text) ?? [];
    if (key === undefined || value === undefined) {
      throw refuse(
        text === '' ? 'this constraint' : quote(text),
        { file, line: item.line },
        'a constraint as "zone=a"',
      );
    }
    labels.set(key, [...(labels.get(key) ?? []), value.trim()]);
  }
  const machineId = fields?.text('machineId');
  return {
    machineIds: machineId === undefined ? [] : [machineId],
    machineOf: fields?.texts('machineOf') ?? [],
    labels: [...labels].map(([key, values]) => ({ key, values: [...new Set(values)] })),
    conflicts: fields?.texts('conflicts') ?? [],
    replaces: fields?.texts('replaces') ?? [],
  };
}
