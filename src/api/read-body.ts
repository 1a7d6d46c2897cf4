import { AgentError } from '../domain/errors.ts';
import { BodyBudget, type BodyBudgets, type BodyRoom } from './body-budget.ts';
import { Refusal, refuseTooMany } from './refusal.ts';

/** The largest body that is read: a spec at its limit, escaped as JSON may. */
const BODY_LIMIT_BYTES = 2 * 1024 * 1024;

/** What bodies may hold in memory at once, on each listener; and over TLS those of one certificate. */
const ALL_BYTES = 16 * BODY_LIMIT_BYTES;
const CERTIFICATE_BYTES = 4 * BODY_LIMIT_BYTES;

/** An API's own. Who may open the socket counts as one. */
export function makeBodyBudgets(): BodyBudgets {
  return {
    socket: new BodyBudget({ allBytes: ALL_BYTES, clientBytes: ALL_BYTES }),
    tls: new BodyBudget({ allBytes: ALL_BYTES, clientBytes: CERTIFICATE_BYTES }),
  };
}

/** What is announced to be no longer is taken at once: it has come, or soon has. */
const SMALL_BYTES = 64 * 1024;

/** What is over the limit is read on to here, and dropped: whoever hangs up on a client that still sends is never heard. */
const DISCARD_LIMIT_BYTES = 32 * 1024 * 1024;
/** Deeper than anything that we read. */
const DEPTH_LIMIT = 64;
const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = Buffer.from('"\\[]{}');

/**
 * The request's body as JSON. `LIMIT` before more than the limit is held, or where there's no room for it now; `INVALID_INPUT` for what is
 * no JSON.
 */
export async function readBody(request: Request, room: BodyRoom, accepts?: 'any'): Promise<unknown> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (accepts !== 'any' && type !== 'application/json') {
    const message = `Cannot read a body of type "${(type ?? '').slice(0, 100)}": expected application/json`;
    throw new Refusal(415, message, { accept: 'application/json' });
  }
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > DISCARD_LIMIT_BYTES) throw tooLarge();
  const bytes = await readBytes(request, room);
  refuseDeep(bytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    const expected = cause instanceof TypeError ? 'JSON in UTF-8' : 'JSON';
    throw new AgentError('INVALID_INPUT', `Cannot read the body: expected ${expected}`, { cause });
  }
}

async function readBytes(request: Request, room: BodyRoom): Promise<Uint8Array> {
  // node:http holds it to what was announced
  const announced = Number(request.headers.get('content-length') ?? Number.NaN);
  if (announced <= SMALL_BYTES && room.take(announced)) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let isHeld = !(announced <= SMALL_BYTES || announced > BODY_LIMIT_BYTES);
  const body: AsyncIterable<Uint8Array> | null = request.body;
  if (body === null) return new Uint8Array();
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > DISCARD_LIMIT_BYTES) throw tooLarge();
    isHeld &&= bytes <= BODY_LIMIT_BYTES && room.take(chunk.length);
    if (isHeld) chunks.push(chunk);
    else {
      chunks.length = 0;
      room.free();
    }
  }
  if (bytes > BODY_LIMIT_BYTES) throw tooLarge();
  if (!isHeld) throw refuseTooMany('bodies of fewer bytes at once', 1);
  return Buffer.concat(chunks);
}

/** Whoever works through what was sent would run out of stack. Counted before it's parsed: brackets that stand in texts don't count. */
function refuseDeep(bytes: Uint8Array): void {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isText) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === OPEN_LIST || byte === OPEN_MAP) depth += 1;
    else if (byte === CLOSE_LIST || byte === CLOSE_MAP) depth -= 1;
    if (depth > DEPTH_LIMIT)
      throw new AgentError('INVALID_INPUT', `Cannot read the body: expected JSON at most ${DEPTH_LIMIT} levels deep`);
  }
}

function tooLarge(): AgentError {
  return new AgentError('LIMIT', `Cannot read the body: expected at most ${BODY_LIMIT_BYTES} bytes`);
}
