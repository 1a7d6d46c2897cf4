import { AgentError, type ErrorCode } from '../domain/errors.ts';

/** An error reply, as the cause of an {@link AgentError}: programs branch on `busName`. */
export interface BusReplyError extends Error {
  /** Such as `org.freedesktop.systemd1.NoSuchUnit`. */
  readonly busName: string;
}

const codes: Readonly<Record<string, ErrorCode>> = {
  'org.freedesktop.DBus.Error.ServiceUnknown': 'UNAVAILABLE',
  'org.freedesktop.DBus.Error.NameHasNoOwner': 'UNAVAILABLE',
  'org.freedesktop.DBus.Error.LimitsExceeded': 'UNAVAILABLE',
  'org.freedesktop.DBus.Error.NoReply': 'UNAVAILABLE',
  'org.freedesktop.DBus.Error.Disconnected': 'UNAVAILABLE',
  'org.freedesktop.DBus.Error.AccessDenied': 'FORBIDDEN',
  'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired': 'FORBIDDEN',
  'org.freedesktop.DBus.Error.InvalidArgs': 'INVALID_INPUT',
};

/** The name of the error reply that caused this failure; undefined when it was none. */
export function busErrorName(error: unknown): string | undefined {
  const cause: unknown = error instanceof AgentError ? error.cause : error;
  if (!(cause instanceof Error) || !('busName' in cause)) return undefined;
  return typeof cause.busName === 'string' ? cause.busName : undefined;
}

/** Turns whatever the library reports of a call into our own error. */
export function busCallError(member: string, raw: unknown): AgentError {
  const busName = raw instanceof Error && 'dbusName' in raw ? raw.dbusName : undefined;
  if (typeof busName !== 'string') {
    return new AgentError('UNAVAILABLE', `Cannot call "${member}": the bus did not take it`, { cause: raw });
  }
  const text = raw instanceof Error ? raw.message : String(raw);
  const cause: BusReplyError = Object.assign(new Error(text), { busName });
  return new AgentError(codeOf(busName), `Cannot call "${member}": ${text} (${busName})`, { cause });
}

/** A service that is to be started for the call and can't be is away: so it is with systemd's own name while it reconnects. */
function codeOf(busName: string): ErrorCode {
  if (busName.startsWith('org.freedesktop.DBus.Error.Spawn.')) return 'UNAVAILABLE';
  return codes[busName] ?? 'INTERNAL';
}
