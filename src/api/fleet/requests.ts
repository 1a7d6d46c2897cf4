import { isLabelKey, isLabelValue } from '../../wire/node-settings-schemas.ts';
import { FleetRefusal } from './answers.ts';
import type { JobState } from './shapes.ts';
import type { FleetOption } from './unit-options.ts';

/** The body of a `PUT` of a unit, as far as it says anything. */
export interface PutUnit {
  readonly name?: string;
  readonly desired?: JobState;
  readonly options: readonly FleetOption[];
}

/** One change of a machine's metadata; without a value it's taken away. */
export interface MetadataChange {
  readonly machine: string;
  readonly key: string;
  readonly value: string | undefined;
}

/** More than any unit file of 64 KiB holds. */
const OPTIONS_LIMIT = 20_000;
const CHANGES_LIMIT = 1_000;

type Json = Readonly<Record<string, unknown>>;

/** As fleet: an empty field is one that isn't there, an unknown one is ignored. Throws 400. */
export function parsePutUnit(json: unknown): PutUnit {
  const body = json === null ? {} : asObject(json, 'a unit');
  const name = textOf(body, 'name');
  const desired = textOf(body, 'desiredState');
  const options = body['options'] ?? [];
  if (!Array.isArray(options) || options.length > OPTIONS_LIMIT) throw undecodable('a list as "options"');
  return {
    ...(name === '' ? {} : { name }),
    ...(desired === '' ? {} : { desired: parseJobState(desired) }),
    options: options.map(parseOption),
  };
}

function parseJobState(text: string): JobState {
  if (text === 'inactive' || text === 'loaded' || text === 'launched') return text;
  throw new FleetRefusal(400, `invalid value "${text.slice(0, 100)}" for JobState`);
}

function parseOption(json: unknown): FleetOption {
  const option = asObject(json, 'an option');
  return { section: textOf(option, 'section'), name: textOf(option, 'name'), value: textOf(option, 'value') };
}

/** The body of a `PATCH` of machines: all of it is right, or nothing is done. Throws 400. */
export function parseMetadataChanges(json: unknown): MetadataChange[] {
  if (!Array.isArray(json) || json.length > CHANGES_LIMIT) throw undecodable('a list of operations');
  return json.map((each) => {
    const change = asObject(each, 'an operation');
    const op = textOf(change, 'op');
    if (!['add', 'remove', 'replace'].includes(op)) {
      throw new FleetRefusal(400, 'invalid op: expect add, remove, or replace');
    }
    const [, machine, key] = /^\/([^/]+)\/metadata\/([A-Za-z0-9_.-]{1,512})$/.exec(textOf(change, 'path')) ?? [];
    if (machine === undefined || key === undefined) throw new FleetRefusal(400, 'machine metadata path invalid');
    if (op === 'remove') return { machine, key, value: undefined };
    if (!isLabelKey(key))
      throw new FleetRefusal(400, 'machine metadata path invalid: expect a key of at most 64 characters');
    return { machine, key, value: parseValue(change['value']) };
  });
}

/** A text, as fleet's document has it, or an object that holds one, as its server wants it. */
function parseValue(json: unknown): string {
  const value = typeof json === 'object' && json !== null ? textOf(json as Json, 'value') : json;
  if (typeof value !== 'string' || value === '') {
    throw new FleetRefusal(400, 'invalid value: add and replace require a value');
  }
  if (!isLabelValue(value)) {
    throw new FleetRefusal(400, 'invalid value: expect at most 256 characters, none of them a control character');
  }
  return value;
}

function asObject(json: unknown, what: string): Json {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  throw undecodable(what);
}

function textOf(object: Json, field: string): string {
  const value = object[field] ?? '';
  if (typeof value === 'string') return value;
  throw undecodable(`a text as "${field}"`);
}

function undecodable(expected: string): FleetRefusal {
  return new FleetRefusal(400, `unable to decode body: expected ${expected}`);
}
