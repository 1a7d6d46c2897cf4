/** One configuration key: its path in the file; environment variable and flag are derived from it. */
export interface Setting<T> {
  readonly path: string;
  readonly summary: string;
  /** What a value looks like, for errors and documents. */
  readonly expected: string;
  readonly fallback: T;
  /** Takes a value of the file, or the text of the environment or a flag. Throws a plain Error when it isn't one. */
  readonly parse: (value: unknown) => T;
}

/** A setting's parts in the order in which they are read. */
export function setting<T>(
  path: string,
  expected: string,
  fallback: T,
  parse: (value: unknown) => T,
  summary: string,
): Setting<T> {
  return { path, expected, fallback, parse, summary };
}

/** For a key that may be left out and then has no value. */
export function optional<T>(parse: (value: unknown) => T): (value: unknown) => T | undefined {
  return parse;
}
