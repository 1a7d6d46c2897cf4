import type { Kv, Revision, Transaction } from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';

/** How a call to the store ended. */
export interface EndedCall {
  readonly operation:
    | 'get'
    | 'list'
    | 'commit'
    | 'grant-lease'
    | 'renew-lease'
    | 'time-to-live'
    | 'revoke-lease'
    | 'identity';
  readonly tookMs: number;
  /** Of a commit. */
  readonly txn?: Transaction;
  /** Absent: it was answered. */
  readonly failure?: { readonly error: unknown; readonly wasAborted: boolean };
  /** A transaction that changed nothing: one of its compares was lost. */
  readonly isLost: boolean;
  /** The store's revision, where the answer tells it. */
  readonly revision?: Revision;
}

/** What was called. */
type Called = Pick<EndedCall, 'operation' | 'txn'>;

/** What answers may tell beside what was asked. */
interface Told {
  readonly applied?: boolean;
  readonly revision?: Revision;
}

/** The store as it is, with the end of each call told; a watch is no call. Costs no caller any time. */
export function tapCalls(kv: Kv, clock: Pick<Clock, 'monotonicMs'>, onCall: (call: EndedCall) => void): Kv {
  const tap = <T>(
    called: EndedCall['operation'] | Called,
    signal: AbortSignal,
    answer: Promise<T>,
    told: (value: T) => Told = () => ({}),
  ): Promise<T> => {
    const beganMs = clock.monotonicMs();
    const what = typeof called === 'string' ? { operation: called } : called;
    answer.then(
      (value) => {
        const { applied = true, revision } = told(value);
        const tookMs = clock.monotonicMs() - beganMs;
        onCall({ ...what, tookMs, isLost: !applied, ...(revision === undefined ? {} : { revision }) });
      },
      (error: unknown) => {
        const failure = { error, wasAborted: signal.aborted };
        onCall({ ...what, tookMs: clock.monotonicMs() - beganMs, isLost: false, failure });
      },
    );
    return answer;
  };
  const same = (value: Told) => value;
  return {
    get: (key, signal) => tap('get', signal, kv.get(key, signal), same),
    list: (prefix, signal) => tap('list', signal, kv.list(prefix, signal), same),
    commit: (txn, signal) => tap({ operation: 'commit', txn }, signal, kv.commit(txn, signal), same),
    grantLease: (ttlMs, signal) => tap('grant-lease', signal, kv.grantLease(ttlMs, signal)),
    renewLease: (id, attemptMs, signal) =>
      tap('renew-lease', signal, kv.renewLease(id, attemptMs, signal), ({ store }) => ({ revision: store.revision })),
    leaseTimeToLive: (id, signal) => tap('time-to-live', signal, kv.leaseTimeToLive(id, signal)),
    revokeLease: (id, signal) => tap('revoke-lease', signal, kv.revokeLease(id, signal)),
    identity: (signal) => tap('identity', signal, kv.identity(signal), same),
    watch: (range, fromRevision, onBatch, signal) => kv.watch(range, fromRevision, onBatch, signal),
    close: () => kv.close(),
  };
}
