/** Longest line that is kept; Docker's own are a few hundred bytes. */
const longestLineBytes = 1024 * 1024;

/** The JSON objects of a stream of lines; a line that isn't JSON, or far too long, is left out. */
export async function* readJsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Record<string, unknown>, void> {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...kept, chunk.subarray(from, at)]).toString();
      kept = [];
      keptBytes = 0;
      from = at + 1;
      const value = parseObject(line);
      if (value) yield value;
    }
    keptBytes += chunk.length - from;
    if (keptBytes <= longestLineBytes) kept.push(chunk.subarray(from));
    else kept = [];
  }
  const value = parseObject(Buffer.concat(kept).toString());
  if (value) yield value;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
