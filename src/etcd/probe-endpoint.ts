import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../loop/clock.ts';
import type { EtcdTls } from './etcd-options.ts';
import { GrpcFailure, grpcCode } from './grpc-failure.ts';
import { RawClient } from './raw-client.ts';

/** One endpoint of etcd, as it answers this machine. */
export interface EndpointProbe {
  readonly endpoint: string;
  /** Why it does not answer; absent when it does. What follows is then absent. */
  readonly error?: string;
  /** A read by quorum, the middle one of three; absent when it did not answer, as without a leader. */
  readonly readMs?: number;
  /** Why it did not answer a read. */
  readonly readError?: string;
  readonly version?: string;
  readonly hasLeader?: boolean;
  readonly dbBytes?: number;
  /** `NOSPACE`, `CORRUPT`: of the whole cluster. */
  readonly alarms?: readonly string[];
  /** Its clock less this machine's, to about a second; absent when it did not tell its time. */
  readonly clockAheadMs?: number;
  /** When its certificate ends: ISO 8601; absent without TLS. */
  readonly certificateEndsAt?: string;
}

export interface ProbeOptions {
  readonly tls?: EtcdTls;
  /** How long each question may take. */
  readonly limitMs: number;
  /** A key that this user may read. */
  readonly key: string;
}

interface StatusResponse {
  readonly version: string;
  readonly leader: string;
  readonly dbSize: string;
}

interface AlarmResponse {
  readonly alarms?: readonly { readonly alarm: string }[];
}

const READS = 3;

/** Asks one endpoint how it does. Never rejects but on abort: what went wrong is part of the answer. */
export async function probeEndpoint(
  endpoint: string,
  options: ProbeOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<EndpointProbe> {
  const client = new RawClient(endpoint, options.tls);
  const ask = async <T>(service: 'KV' | 'Maintenance', method: string, request: object): Promise<T> => {
    const call = client.unary<object, T>(service, method, request);
    return limited(call.answer, options.limitMs, clock, signal).finally(() => call.cancel());
  };
  try {
    const status = await ask<StatusResponse>('Maintenance', 'status', {});
    const { alarms } = await ask<AlarmResponse>('Maintenance', 'alarm', { action: 0 });
    return {
      endpoint,
      version: status.version,
      hasLeader: status.leader !== '0',
      dbBytes: Number(status.dbSize),
      alarms: [...new Set((alarms ?? []).map(({ alarm }) => alarm))],
      ...(await timeReads(ask, options.key, clock, signal)),
      ...(await askTime(endpoint, options, clock, signal)),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { endpoint, error: textOf(error) };
  } finally {
    client.close();
  }
}

async function timeReads(
  ask: (service: 'KV', method: string, request: object) => Promise<unknown>,
  key: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Pick<EndpointProbe, 'readMs' | 'readError'>> {
  const times: number[] = [];
  for (let at = 0; at < READS; at += 1) {
    const beganMs = clock.monotonicMs();
    try {
      await ask('KV', 'range', { key: Buffer.from(key), count_only: true });
    } catch (error) {
      signal.throwIfAborted();
      return { readError: textOf(error) };
    }
    times.push(clock.monotonicMs() - beganMs);
  }
  const middle = times.sort((a, b) => a - b)[Math.floor(READS / 2)];
  return middle === undefined ? {} : { readMs: middle };
}

/** Its `/version` page carries its time, to the second, and its certificate. Without an answer nothing is known, which is no fault. */
async function askTime(
  endpoint: string,
  { tls, limitMs }: ProbeOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Pick<EndpointProbe, 'clockAheadMs' | 'certificateEndsAt'>> {
  const secure = endpoint.startsWith('https:');
  const options: RequestOptions = { signal, timeout: limitMs, headers: { connection: 'close' } };
  const { serverName, ...pem } = tls ?? { ca: '' };
  const sentAtMs = clock.wallTime().getTime();
  return new Promise((resolve) => {
    const sent = secure
      ? httpsRequest(`${endpoint}/version`, {
          ...options,
          ...pem,
          ...(serverName === undefined ? {} : { servername: serverName }),
        })
      : httpRequest(`${endpoint}/version`, options);
    sent.on('error', () => resolve({}));
    sent.on('timeout', () => sent.destroy());
    sent.on('response', (response) => {
      const theirsMs = parseHttpDate(response.headers.date ?? '') + 500; // it is cut to the second
      const oursMs = (sentAtMs + clock.wallTime().getTime()) / 2;
      const endsAt = secure ? endOfCertificate(response.socket as TLSSocket) : undefined;
      response.destroy();
      resolve({
        ...(Number.isNaN(theirsMs) ? {} : { clockAheadMs: theirsMs - oursMs }),
        ...(endsAt === undefined ? {} : { certificateEndsAt: endsAt }),
      });
    });
    sent.end();
  });
}

function endOfCertificate(socket: TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.validToDate.toISOString();
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Sun, 06 Nov 1994 08:49:37 GMT`, in milliseconds; NaN for anything else. */
function parseHttpDate(text: string): number {
  const [, day = '', name = '', year = '', time = ''] = /(\d\d) (\w{3}) (\d{4}) (\d\d:\d\d:\d\d) GMT$/.exec(text) ?? [];
  const month = months.indexOf(name) + 1;
  if (month === 0) return Number.NaN;
  return Temporal.Instant.from(`${year}-${String(month).padStart(2, '0')}-${day}T${time}Z`).epochMilliseconds;
}

/** The answer, unless it takes too long. */
async function limited<T>(answer: Promise<T>, limitMs: number, clock: Clock, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const over = new AbortController();
  const onAbort = () => over.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  const late = clock.sleep(limitMs, over.signal).then((isLate): never => {
    if (!isLate) signal.throwIfAborted();
    throw new GrpcFailure(grpcCode.deadlineExceeded, `no answer within ${limitMs} ms`, { sent: true });
  });
  late.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    over.abort();
  }
}

function textOf(error: unknown): string {
  if (error instanceof GrpcFailure)
    return /Last error: (?:Error: )?(.+?)\.? Resolution note:/.exec(error.details)?.[1] ?? error.details;
  return error instanceof Error ? error.message : String(error);
}
