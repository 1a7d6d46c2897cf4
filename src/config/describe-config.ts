import { AgentError } from '../domain/errors.ts';
import { formatDurationMs } from '../domain/quantity.ts';
import { type ConfigSources, readConfig, readSettings, type SettingOrigin, type SettingValue } from './read-config.ts';

/** One key as `muster config show` lists it. */
export interface ConfigRow {
  readonly key: string;
  /** As one would write it; absent where there is none. */
  readonly value?: string;
  readonly origin: SettingOrigin;
  /** The file, the variable or the flag; empty for a default. */
  readonly source: string;
}

/** The whole configuration, and what is wrong with it as a whole. */
export interface ConfigDescription {
  readonly path: string;
  readonly rows: readonly ConfigRow[];
  /** Why an agent would not start with it. */
  readonly problem?: string;
}

/** Every key with its value and where that comes from. `INVALID_INPUT` when one can't be read at all. */
export async function describeConfig(sources: ConfigSources): Promise<ConfigDescription> {
  const values = await readSettings(sources);
  const rows = [...values.values()].map(describeRow);
  try {
    await readConfig(sources);
    return { path: sources.path, rows };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { path: sources.path, rows, problem: error.message };
  }
}

function describeRow({ setting, value, given, origin, source }: SettingValue): ConfigRow {
  const text = given === undefined ? defaultText(setting.expected, value) : textOf(given);
  return { key: setting.path, ...(text === undefined ? {} : { value: hideSecrets(text) }), origin, source };
}

/** Keys name files rather than hold secrets; a URL may still carry a password, also in one that is refused later. */
function hideSecrets(text: string): string {
  return text.replaceAll(/(\w+:\/\/[^\s/:@]+):[^\s/@]+@/g, '$1:…@');
}

/** A default as one would write it in the file. */
function defaultText(expected: string, value: unknown): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'number' && expected.startsWith('a duration')) return formatDurationMs(value);
  if (typeof value === 'number' && /^a (part|percentage)/.test(expected)) return `${Math.round(value * 100)}%`;
  return textOf(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
