import type { ILeaseGrantResponse, ILeaseTimeToLiveResponse, IRangeRequest, IRangeResponse, ITxnResponse } from 'etcd3';
import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { CallPlan, Calls } from './calls.ts';
import type { Endpoints } from './endpoints.ts';
import { HedgedCall, type HedgeParts } from './hedged-call.ts';
import { type ListPage, listAll } from './list-all.ts';
import type {
  Committed,
  Found,
  Granted,
  Kv,
  LeaseId,
  LeaseTime,
  Listed,
  Renewed,
  Revision,
  StoreIdentity,
  Transaction,
  WatchBatch,
  WatchRange,
} from './port.ts';
import type { RawClient, ServiceName } from './raw-client.ts';
import { renewOnce } from './renew-once.ts';
import type { Watches } from './watches.ts';
import {
  decodeIdentity,
  decodeKeyValue,
  decodeTimeToLive,
  encodeCompare,
  encodeRange,
  encodeWrite,
} from './wire-format.ts';

interface Parts {
  readonly endpoints: Endpoints;
  readonly calls: Calls;
  readonly watches: Watches;
  readonly hedging: Pick<HedgeParts, 'endpoints' | 'calls' | 'clock'>;
  readonly clock: Clock;
  readonly identityKey: string;
}

/** A renewal is given up after the time of so many attempts: the next one then begins with what is known by then. */
const RENEWAL_ATTEMPTS = 2.5;

/** The port over etcd: each method is one request and what its answer means. */
export class EtcdKv implements Kv {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async get(key: string, signal: AbortSignal): Promise<Found> {
    const answer = await this.#range(`read "${key}"`, { ...encodeRange({ key }) }, signal);
    const [kv] = answer.kvs;
    return { kv: kv && decodeKeyValue(kv), ...decodeIdentity(answer.header) };
  }

  async list(prefix: string, signal: AbortSignal): Promise<Listed> {
    const whole = encodeRange({ prefix });
    const readPage = async (from: Buffer, limit: number, revision: Revision | undefined): Promise<ListPage> => {
      const request = { ...whole, key: from, limit, ...(revision !== undefined && { revision: String(revision) }) };
      const { kvs, more, header } = await this.#range(`list "${prefix}"`, request, signal);
      return {
        kvs: kvs.map(decodeKeyValue),
        more,
        store: decodeIdentity(header),
        last: kvs.at(-1)?.key,
      };
    };
    return listAll(prefix, readPage);
  }

  async commit(txn: Transaction, signal: AbortSignal): Promise<Committed> {
    const [first] = txn.writes;
    if (!first) throw new AgentError('INVALID_INPUT', 'Cannot commit a transaction: expected at least one write');
    const named = 'put' in first ? first.put : first.delete;
    const answer: ITxnResponse = await this.#unary(
      { action: `commit ${txn.writes.length} writes from "${named}" on`, resend: 'unsent' },
      ['KV', 'txn', { compare: txn.compares.map(encodeCompare), success: txn.writes.map(encodeWrite) }],
      signal,
    );
    return { applied: answer.succeeded, ...decodeIdentity(answer.header) };
  }

  async grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted> {
    const answer: ILeaseGrantResponse = await this.#unary(
      { action: `grant a lease of ${ttlMs} ms`, resend: 'unsent' },
      ['Lease', 'leaseGrant', { TTL: String(Math.ceil(ttlMs / 1000)), ID: '0' }],
      signal,
    );
    return { id: answer.ID, ttlMs: Number(answer.TTL) * 1000, store: decodeIdentity(answer.header) };
  }

  async renewLease(id: LeaseId, attemptMs: number, signal: AbortSignal): Promise<Renewed> {
    const { clock } = this.#parts;
    const hedging = { ...this.#parts.hedging, attemptMs, callMs: attemptMs * RENEWAL_ATTEMPTS };
    const begin = (client: RawClient) => renewOnce(client, id, clock);
    return new HedgedCall(hedging, { action: `renew lease "${id}"`, service: 'Lease', begin }, signal).run();
  }

  async leaseTimeToLive(id: LeaseId, signal: AbortSignal): Promise<LeaseTime> {
    const answer: ILeaseTimeToLiveResponse = await this.#unary(
      { action: `read the time left of lease "${id}"`, resend: 'again' },
      ['Lease', 'leaseTimeToLive', { ID: id }],
      signal,
    );
    return decodeTimeToLive(answer);
  }

  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    try {
      await this.#unary(
        { action: `revoke lease "${id}"`, resend: 'again' },
        ['Lease', 'leaseRevoke', { ID: id }],
        signal,
      );
    } catch (error) {
      if (!(error instanceof AgentError && error.code === 'NOT_FOUND')) throw error; // gone is what was wanted
    }
  }

  watch(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#parts.watches.run(range, fromRevision, onBatch, signal);
  }

  async identity(signal: AbortSignal): Promise<StoreIdentity> {
    const request = { ...encodeRange({ key: this.#parts.identityKey }), count_only: true };
    const { header } = await this.#range('read the identity of the store', request, signal);
    return decodeIdentity(header);
  }

  close(): void {
    this.#parts.endpoints.close();
  }

  #range(action: string, request: IRangeRequest, signal: AbortSignal): Promise<IRangeResponse> {
    return this.#unary({ action, resend: 'again' }, ['KV', 'range', request], signal);
  }

  #unary<Response>(
    plan: Pick<CallPlan<Response>, 'action' | 'resend'>,
    [service, method, request]: readonly [ServiceName, string, unknown],
    signal: AbortSignal,
  ): Promise<Response> {
    const begin = (client: RawClient) => client.unary<unknown, Response>(service, method, request);
    return this.#parts.calls.run({ ...plan, service, begin }, signal);
  }
}
