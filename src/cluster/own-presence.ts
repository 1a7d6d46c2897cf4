import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { Kv } from '../etcd/port.ts';
import { presenceCodec } from './codecs.ts';

/** Whose presence it is to be: this process's, by its nonce. */
export interface OwnPresenceOptions {
  readonly kv: Pick<Kv, 'get' | 'watch'>;
  readonly key: string;
  readonly nonce: string;
}

/** Undefined while it's this process's; else the error (`FENCED`) that ends the process. */
function whyForeign({ key, nonce }: OwnPresenceOptions, value: string): AgentError | undefined {
  const presence = presenceCodec.decode(value, key);
  if (presence.nonce === nonce) return undefined;
  return new AgentError(
    'FENCED',
    `Cannot go on: another agent process has taken its presence "${key}" (nonce ${presence.nonce})`,
  );
}

/** A linearizable look: false when presence is gone or another process's. */
export async function isOwnPresence(options: OwnPresenceOptions, signal: AbortSignal): Promise<boolean> {
  const { kv: found } = await options.kv.get(options.key, signal);
  return found !== undefined && whyForeign(options, found.value) === undefined;
}

/** Resolves once presence is gone, or the signal aborts. Rejects with `FENCED` once another process has it. */
export async function watchOwnPresence(options: OwnPresenceOptions, signal: AbortSignal): Promise<void> {
  const gone = new AbortController();
  const onAbort = () => gone.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) gone.abort();
  try {
    await followOwnPresence(options, gone);
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  if (gone.signal.reason instanceof AgentError) throw gone.signal.reason;
}

/** Aborts `gone` when presence is, with the error as its reason when another process has it. */
async function followOwnPresence(options: OwnPresenceOptions, gone: AbortController): Promise<void> {
  const { kv, key } = options;
  while (!gone.signal.aborted) {
    const { kv: found, revision } = await kv.get(key, gone.signal);
    if (found === undefined) return;
    const foreign = whyForeign(options, found.value);
    if (foreign !== undefined) throw foreign;
    const watching = kv.watch(
      { key },
      revision + 1,
      ({ events }) => {
        for (const { type, kv: event } of events) {
          const reason = type === 'delete' ? new Error('presence is gone') : whyForeign(options, event.value);
          if (reason !== undefined) gone.abort(reason);
        }
      },
      gone.signal,
    );
    await watching.catch((error: unknown) => {
      if (errorCodeOf(error) !== 'STALE') throw error; // compacted past: look again
    });
  }
}
