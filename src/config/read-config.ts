import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { AgentError } from '../domain/errors.ts';
import { type ClusterId, parseClusterId } from '../domain/ids.ts';
import { checkLeaseSplit } from './check-lease-split.ts';
import type { Setting } from './setting.ts';
import { environmentName, flagName, parseSetting, refusedKeys, settings } from './settings.ts';

type Values = { readonly [Key in keyof typeof settings]: (typeof settings)[Key] extends Setting<infer T> ? T : never };

/** The agent's configuration: file, environment and flags merged once. */
export type Config = Omit<Values, 'cluster'> & { readonly cluster: ClusterId };

/** Where it comes from, in rising order. */
export interface ConfigSources {
  readonly path: string;
  /** True when the path was asked for: then the file must exist. */
  readonly isPathExplicit: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Flags by name without dashes, as `etcd-endpoints`. */
  readonly flags: Readonly<Record<string, string>>;
}

/** Variables of the environment that are the command line's, not the agent's configuration. */
const otherVariables = new Set([
  ...['MUSTER_DEBUG', 'MUSTER_CONFIG', 'MUSTER_CLUSTER_ID'],
  ...['MUSTER_ENDPOINT', 'MUSTER_CONTEXT', 'MUSTER_CA', 'MUSTER_CERT', 'MUSTER_KEY'],
]);

/** Where a value comes from. */
export type SettingOrigin = 'default' | 'file' | 'environment' | 'flag';

/** One key with the value that counts. */
export interface SettingValue {
  readonly setting: Setting<unknown>;
  readonly value: unknown;
  readonly origin: SettingOrigin;
  /** The file, the variable or the flag; empty for a default. */
  readonly source: string;
  /** As it was given; absent for a default. */
  readonly given?: unknown;
}

/** Reads and checks the whole configuration. `INVALID_INPUT` names the key, the value and what was expected. */
export async function readConfig(sources: ConfigSources): Promise<Config> {
  const values = await readSettings(sources);
  const named = Object.fromEntries([...values].map(([name, { value }]) => [name, value]));
  return checkWhole(named as unknown as Values, sources.path);
}

/** Every key by its name in {@link settings}, each value checked by itself. */
export async function readSettings(sources: ConfigSources): Promise<ReadonlyMap<string, SettingValue>> {
  const file = await readFileValues(sources);
  const environment = environmentValues(sources.environment);
  const known = new Map<string, Setting<unknown>>(
    Object.values(settings).map((one) => [one.path, one as Setting<unknown>]),
  );
  for (const path of file.keys()) refuseUnknown(path, known, sources.path);
  refuseUnknownFlags(sources.flags, known);
  return new Map(
    Object.entries(settings).map(([name, one]) => [
      name,
      readSetting(one as Setting<unknown>, { sources, environment, file }),
    ]),
  );
}

function readSetting(
  setting: Setting<unknown>,
  from: {
    readonly sources: ConfigSources;
    readonly environment: ReadonlyMap<string, string>;
    readonly file: ReadonlyMap<string, unknown>;
  },
): SettingValue {
  const { path } = setting;
  const read = (origin: SettingOrigin, source: string, given: unknown): SettingValue => {
    return { setting, value: parseSetting(setting, given, source), origin, source, given };
  };
  const flag = from.sources.flags[flagName(path)];
  if (flag !== undefined) return read('flag', `--${flagName(path)}`, flag);
  const variable = from.environment.get(path);
  if (variable !== undefined) return read('environment', environmentName(path), variable);
  if (from.file.has(path)) return read('file', from.sources.path, from.file.get(path));
  return { setting, value: setting.fallback, origin: 'default', source: '' };
}

async function readFileValues(sources: ConfigSources): Promise<Map<string, unknown>> {
  let text: string;
  try {
    text = await readFile(sources.path, 'utf8');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (isMissing && !sources.isPathExplicit) return new Map();
    throw new AgentError('INVALID_INPUT', `Cannot read configuration "${sources.path}": expected a readable file`, {
      cause,
    });
  }
  const root = parseYaml(text, sources.path);
  if (root === null || root === undefined) return new Map();
  if (typeof root !== 'object' || Array.isArray(root)) {
    throw new AgentError('INVALID_INPUT', `Cannot parse configuration "${sources.path}": expected a map of keys`);
  }
  return flatten(root as Record<string, unknown>, '');
}

/** What the parser itself throws (an alias without its anchor, a nesting without end) is the file's fault too. */
function parseYaml(text: string, path: string): unknown {
  const refuse = (cause: unknown) => {
    const why = cause instanceof Error ? cause.message.split('\n')[0]?.slice(0, 200) : String(cause);
    return new AgentError('INVALID_INPUT', `Cannot parse configuration "${path}": expected YAML, ${why}`, { cause });
  };
  try {
    const document = parseDocument(text, { uniqueKeys: true, stringKeys: true });
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS();
  } catch (cause) {
    throw refuse(cause);
  }
}

/** Keys as dotted paths; a map that is itself a value (labels) stays whole. */
function flatten(map: Record<string, unknown>, prefix: string): Map<string, unknown> {
  const leaves = new Set<string>(Object.values(settings).map((one) => one.path));
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(map)) {
    const path = prefix + key;
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    // Only where there are keys below: an anchor may have a map hold itself.
    const isBranch = isMap && [...leaves].some((leaf) => leaf.startsWith(`${path}.`));
    if (isBranch)
      for (const [below, leaf] of flatten(value as Record<string, unknown>, `${path}.`)) flat.set(below, leaf);
    else flat.set(path, value);
  }
  return flat;
}

function environmentValues(environment: ConfigSources['environment']): Map<string, string> {
  const byName = new Map(Object.values(settings).map((one) => [environmentName(one.path), one.path]));
  const refused = new Map(Object.keys(refusedKeys).map((path) => [environmentName(path), path]));
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('MUSTER_') || value === undefined || otherVariables.has(name)) continue;
    const path = byName.get(name);
    const refusedPath = refused.get(name);
    if (refusedPath !== undefined)
      throw new AgentError('INVALID_INPUT', `Cannot use ${name}: expected ${refusedKeys[refusedPath]}`);
    if (path === undefined) {
      throw new AgentError(
        'INVALID_INPUT',
        `Cannot use the variable ${name.slice(0, 100)}: expected one of ${[...byName.keys()].join(', ')}`,
      );
    }
    values.set(path, value);
  }
  return values;
}

function refuseUnknown(path: string, known: ReadonlyMap<string, Setting<unknown>>, source: string): void {
  const refused = refusedKeys[path];
  if (refused !== undefined)
    throw new AgentError('INVALID_INPUT', `Cannot use ${path} (${source}): expected ${refused}`);
  if (known.has(path)) return;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use the key "${path.slice(0, 100)}" (${source}): expected one of ${[...known.keys()].join(', ')}`,
  );
}

function refuseUnknownFlags(flags: ConfigSources['flags'], known: ReadonlyMap<string, Setting<unknown>>): void {
  const names = [...known.keys()].map(flagName);
  const refused = new Map(Object.keys(refusedKeys).map((path) => [flagName(path), path]));
  for (const name of Object.keys(flags)) {
    const refusedPath = refused.get(name);
    if (refusedPath !== undefined) {
      throw new AgentError('INVALID_INPUT', `Cannot use --${name}: expected ${refusedKeys[refusedPath]}`);
    }
    if (names.includes(name)) continue;
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use the flag --${name.slice(0, 100)}: expected one of --${names.join(', --')}`,
    );
  }
}

function checkWhole(values: Values, source: string): Config {
  if (values.cluster === '') {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot find the cluster ID: expected "cluster" in ${source}, MUSTER_CLUSTER or --cluster`,
    );
  }
  const isTls = values.endpoints.some((url) => url.startsWith('https:'));
  if ((values.tlsCert === undefined) !== (values.tlsKey === undefined)) {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use half of a certificate (${source}): expected both etcd.tls.cert and etcd.tls.key, or neither`,
    );
  }
  if (!isTls && (values.tlsCa ?? values.tlsCert) !== undefined) {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use etcd.tls with ${values.endpoints.join(', ')} (${source}): expected https:// endpoints`,
    );
  }
  checkLeaseSplit(values, source);
  return Object.freeze({ ...values, cluster: parseClusterId(values.cluster) });
}
