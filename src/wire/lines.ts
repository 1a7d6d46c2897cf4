import { AgentError } from '../domain/errors.ts';

/** The longest line that is read; a watch's first frame of 10,000 instances is about 8 MB. */
const LINE_LIMIT_CHARS = 64 * 1024 * 1024;

/** The values of an NDJSON stream. Blank lines keep a connection alive and mean nothing. A half line at the end is dropped. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  for await (const values of readLineBatches(chunks)) yield* values;
}

/** The same, with those of one chunk together; none is empty. */
export async function* readLineBatches(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly unknown[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf('\n');
    if (end >= 0) {
      const values = parseLines(rest + text.slice(0, end));
      rest = '';
      if (values.length > 0) yield values;
    }
    rest += text.slice(end + 1);
    if (rest.length > LINE_LIMIT_CHARS) {
      throw new AgentError(
        'LIMIT',
        `Cannot read a line of the agent's answer: expected at most ${LINE_LIMIT_CHARS} characters`,
      );
    }
  }
}

function parseLines(text: string): unknown[] {
  const values: unknown[] = [];
  for (const line of text.split('\n')) if (line.trim() !== '') values.push(parseLine(line));
  return values;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    throw new AgentError('INTERNAL', `Cannot understand a line of the agent's answer: expected JSON`, { cause });
  }
}
