import { errorCodeOf } from '../domain/errors.ts';
import type { Kv, Transaction } from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';
import type { StoreHealthMonitor } from './store-health.ts';
import { tapCalls } from './tap-calls.ts';

/** A transaction of fewer writes is answered at once by a store that is well. */
const SMALL_WRITES = 10;

/** The store as it is, with the end of each call told to the monitor; of a watch, which goes on across reconnections, only that it was compacted past. */
export function observeStore(kv: Kv, monitor: StoreHealthMonitor, clock: Pick<Clock, 'monotonicMs'>): Kv {
  const tapped = tapCalls(kv, clock, ({ operation, txn, tookMs, isLost, failure }) => {
    const adds = operation === 'grant-lease' || (puts(txn) && !isLost);
    const isSmall = operation !== 'list' && (txn?.writes.length ?? 0) < SMALL_WRITES;
    const kind = { method: operation, adds, isSmall };
    if (failure === undefined) monitor.answered(kind, tookMs);
    else if (!failure.wasAborted) monitor.failed(kind, failure.error, tookMs);
  });
  return {
    ...tapped,
    watch: async (range, fromRevision, onBatch, signal) => {
      try {
        await kv.watch(range, fromRevision, onBatch, signal);
      } catch (error) {
        if (errorCodeOf(error) === 'STALE') monitor.failed({ method: 'watch', adds: false, isSmall: false }, error, 0);
        throw error;
      }
    },
  };
}

function puts(txn: Transaction | undefined): boolean {
  return txn?.writes.some((write) => 'put' in write) ?? false;
}
