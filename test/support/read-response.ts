import type { IncomingMessage } from 'node:http';

/** An answer's body as text; as much of it as came, where it was cut off. */
export async function readResponse(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    // by a server that had answered and would hear no more
  }
  return Buffer.concat(chunks).toString();
}
