import { type RequestOptions, request } from 'node:https';
import type { TestContext } from 'node:test';
import type { Caller } from '../../../src/api/caller.ts';
import type { Api } from '../../../src/api/make-api.ts';
import { openTlsApi, type TlsListener, type TlsOptions } from '../../../src/api/open-tls.ts';
import type { Clock } from '../../../src/loop/clock.ts';
import type { Log, LogMethod } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { readResponse } from '../../support/read-response.ts';
import { makeTestPki, type TestCertificate, type TestPki } from '../../support/test-pki.ts';

export const serverName = '1'.repeat(32);

/** A line of a log. */
export interface Line {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that a test reads. */
export function makeLog(lines: Line[]): Log {
  const method =
    (level: keyof Log): LogMethod =>
    (first: unknown, second?: string) => {
      lines.push(
        typeof first === 'string'
          ? { level, message: first, fields: {} }
          : { level, message: second ?? '', fields: first as Line['fields'] },
      );
    };
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

export interface TlsFixture {
  readonly pki: TestPki;
  readonly server: TestCertificate;
  readonly listener: TlsListener;
  readonly url: string;
  readonly callers: Caller[];
  readonly lines: Line[];
}

/** An API that answers everything, and notes who asked, behind a real listener. */
export async function openTlsFixture(
  t: TestContext,
  options: Partial<TlsOptions> & { readonly api?: Pick<Api, 'fetch'> & Partial<Api>; readonly clock?: Clock } = {},
): Promise<TlsFixture> {
  const pki = await makeTestPki('test');
  const server = await pki.issue({ role: 'node', name: serverName, addresses: ['127.0.0.1'] });
  const callers: Caller[] = [];
  const lines: Line[] = [];
  const fetch: Api['fetch'] = (_request, caller) => {
    if (caller !== undefined) callers.push(caller);
    return new Response('{"version":"1","api":"v1"}', { headers: { 'content-type': 'application/json' } });
  };
  const upgrade = () => Promise.reject(new Error('no part of this'));
  const api: Api = { version: '1.2.3', fetch, upgrade, open: 0, close: () => {}, ...options.api };
  const listener = await openTlsApi(api, {
    host: '127.0.0.1',
    port: 0,
    material: server,
    cluster: 'test',
    requestsPerSecond: 1_000,
    connections: 1_024,
    clock: systemClock,
    log: makeLog(lines),
    ...options,
  });
  t.after(async () => listener.close());
  return { pki, server, listener, url: `https://127.0.0.1:${listener.port}`, callers, lines };
}

/** What a client was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly json: Readonly<Record<string, unknown>>;
}

/** One request, whatever the server's certificate says. */
export async function ask(
  { listener }: TlsFixture,
  with_: Partial<TestCertificate>,
  options: RequestOptions = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { cert, key } = with_;
  const sent = request(
    {
      host: '127.0.0.1',
      port: listener.port,
      path: '/v1/version',
      rejectUnauthorized: false,
      agent: false,
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...options,
    },
    (response) => {
      readResponse(response).then((text) => {
        const json = JSON.parse(text) as Answer['json'];
        resolve({ status: response.statusCode ?? 0, headers: response.headers, json });
      }, reject);
    },
  );
  sent.on('error', reject);
  sent.end();
  return promise;
}
