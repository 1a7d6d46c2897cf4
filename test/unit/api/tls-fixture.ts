import type { TestContext } from 'node:test';
import type { Caller } from '../../../src/api/caller.ts';
import type { Api } from '../../../src/api/make-api.ts';
import { openTlsApi, type TlsListener, type TlsOptions } from '../../../src/api/open-tls.ts';
import type { Clock } from '../../../src/loop/clock.ts';
import type { Log, LogMethod } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
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
  const api: Api = { fetch, upgrade, open: 0, close: () => {}, ...options.api };
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
