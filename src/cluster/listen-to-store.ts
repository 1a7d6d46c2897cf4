import type { Kv, StoreIdentity } from '../etcd/port.ts';
import type { StoreTrust } from './store-trust.ts';

/** Passes all answers on, for what is asked before the store is judged: how far they tell that it is, is then expected of it. */
export function listenToStore(kv: Pick<Kv, 'get' | 'commit'>, trust: StoreTrust): Pick<Kv, 'get' | 'commit'> {
  trust.beginListening();
  const heard = <T extends StoreIdentity>(answer: T): T => {
    trust.noteHint(answer);
    return answer;
  };
  return {
    get: (key, signal) => kv.get(key, signal).then(heard),
    commit: (txn, signal) => kv.commit(txn, signal).then(heard),
  };
}
