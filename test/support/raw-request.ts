import { request } from 'node:http';

/** A request as any client may make it, and its whole answer. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
  /** The body as JSON. */
  json<T = unknown>(): T;
}

export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string as it is. */
  readonly body?: unknown;
}

/** Asks the API on this socket, past its client. */
export function rawRequest(socketPath: string, asked: RawRequest): Promise<RawAnswer> {
  const { method = 'GET', path, headers = {}, body } = asked;
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const type = text === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false, headers: { ...type, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const got = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: got,
          json: <T>() => JSON.parse(got) as T,
        });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

/** The first line of a stream, as JSON; the request ends with it. */
export function firstLine(
  socketPath: string,
  asked: RawRequest,
): Promise<{ readonly status: number; readonly line: unknown }> {
  const { method = 'GET', path, headers = {}, body } = asked;
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false, headers: { ...type, ...headers } }, (response) => {
      let got = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        got += chunk;
        const [, line] = /^\n*([^\n]+)\n/.exec(got) ?? []; // empty lines only keep the connection open
        if (line === undefined) return;
        resolve({ status: response.statusCode ?? 0, line: JSON.parse(line) });
        response.destroy();
      });
      response.on('end', () =>
        reject(new Error(`the stream of ${path} ended with "${got}" and status ${response.statusCode}`)),
      );
      response.on('error', () => undefined); // destroyed above
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
