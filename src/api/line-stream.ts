import type { ProblemLine } from '../wire/problem.ts';
import type { RequestScope } from './open-requests.ts';
import { makeProblem } from './problem-response.ts';

/** Lines of a stream that are JSON already, each with its end; a blank one keeps the connection alive. */
export class PreparedLines {
  readonly text: string | Uint8Array;

  constructor(text: string | Uint8Array) {
    this.text = text;
  }
}

/**
 * An answer of one JSON value a line, made as the client takes them: what it doesn't take is not made, so a slow one costs no
 * memory. An error becomes the last line. When the client goes, the scope's signal ends the source.
 */
export function lineStream(
  source: AsyncIterable<unknown>,
  scope: RequestScope,
  requestId: string,
  contentType = 'application/x-ndjson',
): Response {
  const iterator = source[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const next = await iterator.next();
          if (next.done !== true) {
            controller.enqueue(encode(next.value));
            return;
          }
        } catch (error) {
          if (scope.gone) return; // nobody is left to be told
          const line: ProblemLine = { problem: makeProblem(error, requestId) };
          controller.enqueue(encode(line));
        }
        controller.close();
        scope.end();
      },
      cancel: async () => {
        scope.cancel();
        await iterator.return?.();
        scope.end();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: { 'content-type': contentType, 'cache-control': 'no-store', 'x-request-id': requestId },
  });
}

const encoder = new TextEncoder();

function encode(value: unknown): Uint8Array {
  const text = value instanceof PreparedLines ? value.text : `${JSON.stringify(value)}\n`;
  return typeof text === 'string' ? encoder.encode(text) : text;
}
