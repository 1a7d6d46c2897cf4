import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { AgentError } from '../domain/errors.ts';
import { quote, refuse } from './refuse.ts';

/** A YAML value that knows its line. */
export type Tree = MapTree | ListTree | ScalarTree;
export interface MapTree {
  readonly kind: 'map';
  readonly line: number;
  readonly entries: ReadonlyMap<string, { readonly line: number; readonly value: Tree }>;
}
export interface ListTree {
  readonly kind: 'list';
  readonly line: number;
  readonly items: readonly Tree[];
}
export interface ScalarTree {
  readonly kind: 'scalar';
  readonly line: number;
  readonly value: string | number | boolean | null;
  /** As written: `1.10` and `0x10` keep their form where a text is meant. */
  readonly source: string;
}

/** Aliases repeat what they name: this many values in one file, and no more. */
const NODE_LIMIT = 100_000;
const DEPTH_LIMIT = 50;

/** The documents of a YAML file, empty ones left out. Throws `INVALID_INPUT` with file and line. */
export function parseYamlTrees(text: string, file: string): Tree[] {
  const lines = new LineCounter();
  const parsed = parseYaml(text, file, lines);
  const builder = new TreeBuilder(file, lines);
  return parsed.flatMap((document) => {
    const [error] = [...document.errors, ...document.warnings];
    if (error !== undefined) {
      const line = lines.linePos(error.pos[0]).line;
      const summary =
        error.message
          .slice(0, 200)
          .split('\n')[0]
          ?.replace(/ at line \d+.*$/, '') ?? 'cannot be parsed';
      throw new AgentError('INVALID_INPUT', `Cannot read ${file}:${line}: expected YAML: ${summary}`);
    }
    return document.contents === null ? [] : [builder.build(document, document.contents, 0)];
  });
}

function parseYaml(text: string, file: string, lineCounter: LineCounter): Document.Parsed[] {
  try {
    const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys: false, version: '1.2' });
    return [...parsed];
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', `Cannot read ${file}: expected YAML`, { cause });
  }
}

class TreeBuilder {
  readonly #file: string;
  readonly #lines: LineCounter;
  #nodes = 0;
  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  build(document: Document.Parsed, node: unknown, depth: number): Tree {
    const line = this.#lineOf(node);
    this.#nodes += 1;
    if (this.#nodes > NODE_LIMIT || depth > DEPTH_LIMIT) {
      const message = `Cannot read ${this.#file}:${line}: expected at most ${NODE_LIMIT} values, ${DEPTH_LIMIT} deep`;
      throw new AgentError('LIMIT', message);
    }
    if (isAlias(node)) return this.build(document, node.resolve(document), depth + 1);
    if (isMap(node)) return { kind: 'map', line, entries: this.#entries(document, node.items, depth) };
    if (isSeq(node))
      return { kind: 'list', line, items: node.items.map((item) => this.build(document, item, depth + 1)) };
    if (node === null || node === undefined) return { kind: 'scalar', line, value: null, source: '' };
    if (isScalar(node)) return this.#scalar(node.value, node.source, line);
    throw refuse('this value', { file: this.#file, line }, 'a map, a list, text, a number or true or false');
  }

  #entries(
    document: Document.Parsed,
    items: readonly { key: unknown; value: unknown }[],
    depth: number,
  ): MapTree['entries'] {
    const entries = new Map<string, { line: number; value: Tree }>();
    for (const { key, value } of items) {
      const line = this.#lineOf(key);
      const name = isScalar(key) ? String(key.value ?? '') : undefined;
      if (name === undefined || name === '') throw refuse('this key', { file: this.#file, line }, 'a text');
      if (entries.has(name)) throw refuse(`key ${quote(name)}`, { file: this.#file, line }, 'each key of a map once');
      const tree = this.build(document, value, depth + 1);
      entries.set(name, { line, value: tree.line === 0 ? { ...tree, line } : tree });
    }
    return entries;
  }

  #scalar(value: unknown, source: string | undefined, line: number): ScalarTree {
    if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number' || value === null) {
      return { kind: 'scalar', line, value, source: source ?? (value === null ? '' : String(value)) };
    }
    throw refuse('this value', { file: this.#file, line }, 'text, a number or true or false');
  }

  /** 0 for a value that isn't written. */
  #lineOf(node: unknown): number {
    const range = (node as Partial<Node> | null | undefined)?.range;
    return range === undefined || range === null ? 0 : this.#lines.linePos(range[0]).line;
  }
}
