import * as v from 'valibot';
import { AgentError } from '../domain/errors.ts';

/** Turns values of one kind to stored text and back. Stored values are JSON objects that carry their format as `v`. */
export interface Codec<T> {
  encode(value: T): string;
  /** Throws `INVALID_INPUT` naming the key and what was expected; a value of a later format is refused. */
  decode(text: string, key: string): T;
}

/** The format that this version writes. */
export const FORMAT = 1;

/** The largest value that is even parsed; etcd itself takes up to 1.5 MiB. */
const VALUE_LIMIT_CHARS = 512 * 1024;

/** The codec of what a schema describes. */
export function makeCodec<T>(schema: v.GenericSchema<unknown, T>): Codec<T> {
  return {
    encode: (value) => JSON.stringify({ v: FORMAT, ...value }),
    decode: (text, key) => {
      const fail = (expected: string) =>
        new AgentError('INVALID_INPUT', `Cannot read the value of "${shorten(key, 300)}": expected ${expected}`);
      if (text.length > VALUE_LIMIT_CHARS) throw fail(`at most ${VALUE_LIMIT_CHARS} characters, got ${text.length}`);
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch {
        throw fail('JSON'); // its own words quote the text around the mistake: an environment's secret, perhaps
      }
      const format = typeof json === 'object' && json !== null && 'v' in json ? json.v : undefined;
      if (format !== FORMAT)
        throw fail(`format ${FORMAT}, got ${typeof format === 'object' ? 'a structure' : shorten(String(format), 40)}`);
      const parsed = v.safeParse(schema, json);
      if (parsed.success) return parsed.output;
      const [issue] = parsed.issues;
      throw fail(
        `${issue.expected ?? 'another value'} at "${v.getDotPath(issue) ?? ''}", got ${shorten(issue.received, 40)}`,
      );
    },
  };
}

/** What is stored may be anything, of any size: an error says no more of it than tells it apart. */
function shorten(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars)}…`;
}
