import type { AgentError } from '../domain/errors.ts';
import { didYouMean } from './near-match.ts';
import { type Place, parseAt, quote, refuse } from './refuse.ts';
import type { OptionValue, PlacementOptions } from './unit-options.ts';

/** Reads options of one section with fleet's rules for each kind of value. */
export class OptionReader {
  readonly warnings: string[] = [];
  readonly #options: PlacementOptions | undefined;
  readonly #file: string;
  constructor(options: PlacementOptions | undefined, file: string) {
    this.#options = options;
    this.#file = file;
  }

  values(key: string): readonly OptionValue[] {
    return this.#options?.values.get(key) ?? [];
  }

  /** The last value, parsed. */
  last<T>(key: string, parse: (text: string) => T): T | undefined {
    const option = this.values(key).at(-1);
    return option === undefined ? undefined : parseAt(this.#at(option), () => parse(option.value));
  }

  word<T extends string>(key: string, words: readonly T[]): T | undefined {
    const option = this.values(key).at(-1);
    if (option === undefined) return undefined;
    const word = words.find((candidate) => candidate === option.value);
    if (word !== undefined) return word;
    const expected = words.map((each) => `"${each}"`).join(' or ') + didYouMean(option.value, words);
    throw refuse(`${key}=${quote(option.value)}`, this.#at(option), expected);
  }

  /** fleet takes `true yes 1 on t` for true and all else for false; in our own section all else is refused. */
  flag(key: string): boolean | undefined {
    const option = this.values(key).at(-1);
    if (option === undefined) return undefined;
    const value = option.value.toLowerCase();
    if (['true', 'yes', '1', 'on', 't'].includes(value)) return true;
    if (this.#options?.section === 'X-Fleet' || ['false', 'no', '0', 'off', 'f'].includes(value)) return false;
    throw refuse(`${key}=${quote(option.value)}`, this.#at(option), '"true" or "false"');
  }

  /** Names and globs: several on a line, several lines. */
  names(key: string): string[] {
    return [...new Set(this.values(key).flatMap(({ value }) => value.split(/\s+/).filter((name) => name !== '')))];
  }

  /** `key=value`: keys are ANDed, the values of one key ORed. */
  labels(key: string): { key: string; values: string[] }[] {
    const labels = new Map<string, string[]>();
    for (const option of this.values(key)) {
      const [, label, value] = /^\s*([^=\s][^=]*)=([^=]+)$/.exec(option.value) ?? [];
      if (label !== undefined && value !== undefined) {
        labels.set(label.trim(), [...(labels.get(label.trim()) ?? []), value.trim()]);
      } else if (this.#options?.section === 'X-Fleet') {
        const { file, line } = this.#at(option);
        this.warnings.push(`${file}:${line}: ${key}=${quote(option.value)} is not "key=value" and ignored`);
      } else throw refuse(`${key}=${quote(option.value)}`, this.#at(option), '"key=value"');
    }
    return [...labels].map(([label, values]) => ({ key: label, values: [...new Set(values)] }));
  }

  refuse(key: string, expected: string): AgentError {
    const option = this.values(key).at(-1);
    return refuse(key, { file: this.#file, line: option?.line ?? 1 }, expected);
  }

  #at(option: OptionValue): Place {
    return { file: this.#file, line: option.line };
  }
}
