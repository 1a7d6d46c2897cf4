import { AgentError } from '../domain/errors.ts';

/** The longest line that is read; a watch's first frame of 10,000 instances is about 8 MB. */
const LINE_LIMIT_CHARS = 64 * 1024 * 1024;

/** The values of an NDJSON stream. Blank lines keep a connection alive and mean nothing. A half line at the end is dropped. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
      const line = rest.slice(from, end);
      from = end + 1;
      if (line.trim() !== '') yield parseLine(line);
    }
    rest = rest.slice(from);
    if (rest.length > LINE_LIMIT_CHARS) {
      throw new AgentError(
        'LIMIT',
        `Cannot read a line of the agent's answer: expected at most ${LINE_LIMIT_CHARS} characters`,
      );
    }
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    throw new AgentError('INTERNAL', `Cannot understand a line of the agent's answer: expected JSON`, { cause });
  }
}
