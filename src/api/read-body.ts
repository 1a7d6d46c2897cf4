import { AgentError } from '../domain/errors.ts';
import { Refusal } from './refusal.ts';

/** The largest body that is read: a spec at its limit, escaped as JSON may. */
const BODY_LIMIT_BYTES = 2 * 1024 * 1024;

/** The request's body as JSON. `LIMIT` before more than the limit is held; `INVALID_INPUT` for what is no JSON. */
export async function readBody(request: Request, expected?: 'any'): Promise<unknown> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (expected !== 'any' && type !== 'application/json') {
    const message = `Cannot read a body of type "${(type ?? '').slice(0, 100)}": expected application/json`;
    throw new Refusal(415, message, { accept: 'application/json' });
  }
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > BODY_LIMIT_BYTES) throw tooLarge();
  const text = await readText(request);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', 'Cannot read the body: expected JSON', { cause });
  }
}

async function readText(request: Request): Promise<string> {
  if (request.headers.has('content-length')) return request.text(); // node:http holds it to what was announced
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> | null = request.body;
  if (body === null) return '';
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > BODY_LIMIT_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(): AgentError {
  return new AgentError('LIMIT', `Cannot read the body: expected at most ${BODY_LIMIT_BYTES} bytes`);
}
