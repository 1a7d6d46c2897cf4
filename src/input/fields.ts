import type { AgentError } from '../domain/errors.ts';
import { DURATION_FORM, parseDurationMs, parseSizeBytes, SIZE_FORM } from '../domain/quantity.ts';
import { didYouMean } from './near-match.ts';
import { type Place, parseAt, quote, refuse } from './refuse.ts';
import type { ListTree, MapTree, ScalarTree, Tree } from './yaml-tree.ts';

/** Reads a map whose keys are known: every value typed, every error with file, line, key, value and what was expected. */
export class Fields {
  readonly #map: MapTree;
  readonly #file: string;
  readonly #path: string;

  /** Refuses a tree that is no map, and any key that isn't one of `keys`. */
  constructor(tree: Tree, file: string, path: string, keys: readonly string[]) {
    if (tree.kind !== 'map')
      throw refuse(describe(path, tree), { file, line: tree.line }, `a map of ${keys.join(', ')}`);
    for (const [key, { line }] of tree.entries) {
      if (keys.includes(key)) continue;
      const where = path === '' ? '' : ` of "${path}"`;
      throw refuse(`key ${quote(key)}${where}`, { file, line }, `one of ${keys.join(', ')}${didYouMean(key, keys)}`);
    }
    this.#map = tree;
    this.#file = file;
    this.#path = path;
  }

  get at(): Place {
    return { file: this.#file, line: this.#map.line };
  }

  has(key: string): boolean {
    return this.#map.entries.has(key);
  }

  tree(key: string): Tree | undefined {
    return this.#map.entries.get(key)?.value;
  }

  place(key: string): Place {
    return { file: this.#file, line: this.#map.entries.get(key)?.line ?? this.#map.line };
  }

  /** The path of a key, for messages: `container.image`. */
  path(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  fields(key: string, keys: readonly string[]): Fields | undefined {
    const tree = this.tree(key);
    return tree === undefined ? undefined : new Fields(tree, this.#file, this.path(key), keys);
  }

  /** Text; a number or a boolean as it's written. */
  text(key: string): string | undefined {
    const tree = this.tree(key);
    return tree === undefined ? undefined : textOf(tree, () => this.#refuse(key, tree, 'text'));
  }

  /** Text as a parser of the domain takes it. */
  parsed<T>(key: string, parse: (text: string) => T): T | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : parseAt(this.place(key), () => parse(text));
  }

  word<T extends string>(key: string, words: readonly T[]): T | undefined {
    const tree = this.tree(key);
    if (tree === undefined) return undefined;
    const word = words.find((candidate) => tree.kind === 'scalar' && tree.value === candidate);
    if (word !== undefined) return word;
    const near = tree.kind === 'scalar' ? didYouMean(String(tree.value), words) : '';
    throw this.#refuse(key, tree, words.map((each) => `"${each}"`).join(' or ') + near);
  }

  flag(key: string): boolean | undefined {
    const tree = this.tree(key);
    if (tree === undefined) return undefined;
    if (tree.kind === 'scalar' && typeof tree.value === 'boolean') return tree.value;
    throw this.#refuse(key, tree, 'true or false');
  }

  integer(key: string, min: number, max: number): number | undefined {
    const tree = this.tree(key);
    if (tree === undefined) return undefined;
    const value = tree.kind === 'scalar' ? tree.value : undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw this.#refuse(key, tree, `a whole number from ${min} to ${max}`);
  }

  durationMs(key: string): number | undefined {
    return this.#quantity(key, parseDurationMs, DURATION_FORM);
  }

  sizeBytes(key: string): number | undefined {
    return this.#quantity(key, parseSizeBytes, SIZE_FORM);
  }

  /** A list; one value alone is a list of one. */
  list(key: string): readonly Tree[] {
    const tree = this.tree(key);
    if (tree === undefined) return [];
    if (tree.kind === 'map') throw this.#refuse(key, tree, 'a list');
    return tree.kind === 'list' ? tree.items : [tree];
  }

  texts(key: string): string[] {
    return this.list(key).map((item) => textOf(item, () => this.#refuse(key, item, 'a list of text')));
  }

  /** A map of text, or a list of `name=value` (with `separator` in place of `=`). */
  textMap(key: string, separator: '=' | ':' = '='): Record<string, string> {
    const tree = this.tree(key);
    if (tree === undefined) return {};
    const expected = `a map of text, or a list of "name${separator}value"`;
    if (tree.kind === 'scalar') throw this.#refuse(key, tree, expected);
    const pairs = tree.kind === 'map' ? this.#mapPairs(key, tree) : this.#listPairs(key, tree, separator, expected);
    return Object.fromEntries(pairs);
  }

  refuse(key: string, expected: string): AgentError {
    const tree = this.tree(key);
    if (tree !== undefined) return this.#refuse(key, tree, expected);
    return refuse(this.#path === '' ? 'this document' : `"${this.#path}"`, this.at, expected);
  }

  #mapPairs(key: string, tree: MapTree): (readonly [string, string])[] {
    return [...tree.entries].map(([name, { line, value }]) => {
      const fail = () => refuse(describe(`${this.path(key)}.${name}`, value), { file: this.#file, line }, 'text');
      return [name, textOf(value, fail)] as const;
    });
  }

  #listPairs(key: string, tree: ListTree, separator: string, expected: string): (readonly [string, string])[] {
    const seen = new Set<string>();
    return tree.items.map((item) => {
      const text = textOf(item, () => this.#refuse(key, item, expected));
      const at = text.indexOf(separator);
      const name = text.slice(0, Math.max(at, 0));
      if (name === '') throw this.#refuse(key, item, expected);
      if (seen.has(name)) throw this.#refuse(key, item, 'each name once');
      seen.add(name);
      return [name, text.slice(at + 1)] as const;
    });
  }

  #quantity(key: string, parse: (text: string) => number, form: string): number | undefined {
    const tree = this.tree(key);
    if (tree === undefined) return undefined;
    const text = textOf(tree, () => this.#refuse(key, tree, form));
    try {
      return parse(text);
    } catch {
      throw this.#refuse(key, tree, form); // the same, with the place and the key
    }
  }

  #refuse(key: string, tree: Tree, expected: string): AgentError {
    return refuse(describe(this.path(key), tree), { file: this.#file, line: tree.line }, expected);
  }
}

/** Text of a scalar; for anything else, and for nothing, what `fail` makes is thrown. */
export function textOf(tree: Tree, fail: () => AgentError): string {
  if (tree.kind !== 'scalar' || tree.value === null) throw fail();
  return typeof tree.value === 'string' ? tree.value : tree.source;
}

function describe(path: string, tree: Tree): string {
  const shown = tree.kind === 'scalar' ? scalarText(tree) : `a ${tree.kind}`;
  return path === '' ? shown : `${shown} for "${path}"`;
}

function scalarText(tree: ScalarTree): string {
  if (tree.value === null) return 'nothing';
  return typeof tree.value === 'string' ? quote(tree.value) : quote(tree.source);
}
