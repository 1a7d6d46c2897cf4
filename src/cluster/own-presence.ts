import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { Presence } from '../domain/node.ts';
import type { KeyValue, Kv, Revision } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import { presenceCodec } from './codecs.ts';

/** Whose presence it is to be: this process's, by its nonce. */
export interface OwnPresenceOptions {
  readonly kv: Pick<Kv, 'get' | 'watch'>;
  readonly key: string;
  readonly nonce: string;
  /** It's ours, as of this revision: also by a write whose answer was lost. */
  readonly onOwn: (revision: Revision) => void;
}

/** A compaction may come between a look and its watch, but hardly so often in a row. */
const COMPACTED_LIMIT = 3;

/** Presence as text that may be anyone's; undefined where it can't be read. */
export function readPresence({ key, value }: KeyValue): Presence | undefined {
  try {
    return presenceCodec.decode(value, key);
  } catch {
    return undefined; // what it says is unknown, whether it lives is told by its lease
  }
}

/** Ours; gone, as when somebody's text without a lease is in its place; or the error (`FENCED`) that ends the process. */
function standingOf({ nonce, onOwn }: OwnPresenceOptions, found: KeyValue | undefined): 'ours' | 'gone' | AgentError {
  const presence = found && readPresence(found);
  if (found === undefined || presence === undefined) return 'gone';
  if (presence.nonce === nonce) {
    if (found.lease === '0') return 'gone';
    onOwn(found.modRevision);
    return 'ours';
  }
  return new AgentError(
    'FENCED',
    `Cannot go on: another agent process has taken its presence "${found.key}" (nonce ${presence.nonce})`,
  );
}

/** A linearizable look: false when presence is gone. Rejects with `FENCED` when it's another process's. */
export async function isOwnPresence(options: OwnPresenceOptions, signal: AbortSignal): Promise<boolean> {
  const { kv: found } = await options.kv.get(options.key, signal);
  const standing = standingOf(options, found);
  if (standing instanceof AgentError) throw standing;
  return standing === 'ours';
}

/** Resolves once presence is gone, or the signal aborts. Rejects with `FENCED` once another process has it. */
export async function watchOwnPresence(options: OwnPresenceOptions, signal: AbortSignal): Promise<void> {
  using gone = new ChildAbort(signal);
  try {
    await followOwnPresence(options, gone);
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
  if (!signal.aborted && gone.signal.reason instanceof AgentError) throw gone.signal.reason;
}

/** Aborts `gone` when presence is, with the error as its reason when another process has it. */
async function followOwnPresence(options: OwnPresenceOptions, gone: ChildAbort): Promise<void> {
  const { kv, key } = options;
  for (let compacted = 0; !gone.signal.aborted; ) {
    const { kv: found, revision } = await kv.get(key, gone.signal);
    const standing = standingOf(options, found);
    if (standing === 'gone') return;
    if (standing !== 'ours') throw standing;
    const watching = kv.watch(
      { key },
      revision + 1,
      ({ events }) => {
        if (events.length > 0) compacted = 0;
        for (const { type, kv: event } of events) {
          const now = standingOf(options, type === 'delete' ? undefined : event);
          if (now !== 'ours') gone.abort(now === 'gone' ? new Error('presence is gone') : now);
        }
      },
      gone.signal,
    );
    await watching.catch((error: unknown) => {
      if (errorCodeOf(error) !== 'STALE') throw error; // compacted past: look again
      compacted += 1;
      if (compacted > COMPACTED_LIMIT)
        throw new AgentError('UNAVAILABLE', `Cannot watch "${key}": it's compacted past at once`, { cause: error });
    });
  }
}
