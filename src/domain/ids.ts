import { AgentError } from './errors.ts';

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

/** Names one cluster; all its keys in the store lie below it. */
export type ClusterId = Id<'cluster'>;
/** 32 lower-case hex digits: the machine ID hashed with muster's application ID (machine-id(5)). */
export type NodeId = Id<'node'>;
/** What was submitted: `web` (containers) or `hello.service`, `hello@.service` (units). */
export type WorkloadName = Id<'workload'>;
/** Which copy of a workload: `0`…`n-1`, a template's instance string, or a node ID for a global workload. */
export type Slot = Id<'slot'>;
/** `<workload>/<slot>`: one copy of a workload, wherever it runs. */
export type InstanceKey = Id<'instance'>;

/** Longest name of a workload, in bytes; systemd's own limit for a unit name is 255, keys and displays add to it. */
export const NAME_LIMIT_BYTES = 128;

const unitSuffix = /\.(service|socket|timer|path|device|mount|automount|target|swap|slice|scope)$/;

/** Unit types that muster manages, as fleet did: the others are refused at apply. */
export const MANAGED_UNIT_TYPES = ['service', 'socket', 'timer', 'path', 'mount', 'automount'] as const;

/** Accepts DESIGN's grammar of a cluster ID; anything else is refused, never repaired. */
export function parseClusterId(text: string): ClusterId {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) return text as ClusterId;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use cluster ID "${shorten(text)}": expected 1 to 63 of a-z, 0-9 and "-", beginning and ending with a letter or digit`,
  );
}

/** Accepts a node ID as muster prints it. */
export function parseNodeId(text: string): NodeId {
  if (/^[0-9a-f]{32}$/.test(text)) return text as NodeId;
  throw new AgentError('INVALID_INPUT', `Cannot parse node ID "${shorten(text)}": expected 32 lower-case hex digits`);
}

/** True for a name that systemd would take as a unit's: it ends in a unit type. */
export function isUnitName(name: string): boolean {
  return unitSuffix.test(name);
}

/** True for `name@.service`. */
export function isTemplateName(name: string): boolean {
  return isUnitName(name) && /@\.[a-z]+$/.test(name);
}

/**
 * Accepts a workload's name: a unit name by systemd.unit(5)'s grammar (of a type that muster manages), or a container
 * workload's name, which must also serve as part of a container's and a host's name.
 */
export function parseWorkloadName(text: string): WorkloadName {
  if (text.length === 0 || text.length > NAME_LIMIT_BYTES) {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use workload name "${shorten(text)}": expected 1 to ${NAME_LIMIT_BYTES} characters`,
    );
  }
  return isUnitName(text) ? parseUnitWorkloadName(text) : parseContainerWorkloadName(text);
}

function parseUnitWorkloadName(text: string): WorkloadName {
  const type = text.slice(text.lastIndexOf('.') + 1);
  if (!(MANAGED_UNIT_TYPES as readonly string[]).includes(type)) {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot manage unit "${text}": expected a type of ${MANAGED_UNIT_TYPES.join(', ')}`,
    );
  }
  const stem = text.slice(0, text.lastIndexOf('.'));
  if (!/^[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]*)?$/.test(stem) || stem.startsWith('.')) {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use unit name "${text}": expected letters, digits and ":-_.\\", with at most one "@", as systemd.unit(5) has it`,
    );
  }
  return text as WorkloadName;
}

function parseContainerWorkloadName(text: string): WorkloadName {
  if (/^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$/.test(text)) return text as WorkloadName;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use workload name "${text}": expected a-z, 0-9, "-" and "_", beginning and ending with a letter or digit (a unit's name ends in its type, as ".service")`,
  );
}

/** Accepts a slot: digits, a template's instance string, or a node ID. */
export function parseSlot(text: string): Slot {
  if (/^[A-Za-z0-9:_.\\-]{1,128}$/.test(text) && text !== '.' && text !== '..') return text as Slot;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot parse slot "${shorten(text)}": expected 1 to 128 letters, digits and ":-_.\\"`,
  );
}

/** The key of one copy of a workload. */
export function makeInstanceKey(workload: WorkloadName, slot: Slot): InstanceKey {
  return `${workload}/${slot}` as InstanceKey;
}

/** Accepts `<workload>/<slot>`, as keys and labels have it. */
export function parseInstanceKey(text: string): InstanceKey {
  if (!text.includes('/')) {
    throw new AgentError('INVALID_INPUT', `Cannot parse instance "${shorten(text)}": expected <workload>/<slot>`);
  }
  const { workload, slot } = splitInstanceKey(text as InstanceKey);
  return makeInstanceKey(parseWorkloadName(workload), parseSlot(slot));
}

/** The two parts of a key made by {@link makeInstanceKey}. Neither part can hold a slash. */
export function splitInstanceKey(key: InstanceKey): { readonly workload: WorkloadName; readonly slot: Slot } {
  const at = key.indexOf('/');
  return { workload: key.slice(0, at) as WorkloadName, slot: key.slice(at + 1) as Slot };
}

/** A quoted value that can't flood a log line or a terminal. */
function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
