import { AgentError } from '../../domain/errors.ts';

/** What was agreed with a daemon. */
export interface ApiVersion {
  /** The Engine API's version that both speak. */
  readonly api: string;
  /** The daemon's own version, for people. */
  readonly engine: string;
}

/** The newest API that this adapter was written against, and the oldest that has all that it uses. */
const newest = '1.47';
const oldest = '1.40';

/** Chooses the newest API that both speak from the body of `GET /version`; refuses a daemon that shares none with us. */
export function negotiateApiVersion(body: unknown): ApiVersion {
  const { ApiVersion: theirs, MinAPIVersion: least, Version: engine } = (body ?? {}) as Record<string, unknown>;
  if (typeof theirs !== 'string' || !/^\d+\.\d+$/.test(theirs)) {
    throw new AgentError('UNAVAILABLE', 'Cannot agree with Docker on an API version: expected it to name its own');
  }
  const api = isOlder(theirs, newest) ? theirs : newest;
  if (isOlder(api, oldest) || (typeof least === 'string' && isOlder(api, least))) {
    throw new AgentError(
      'INTERNAL',
      `Cannot use Docker with API ${String(least)} to ${theirs}: expected a version from ${oldest} to ${newest}`,
    );
  }
  return { api, engine: typeof engine === 'string' ? engine : theirs };
}

function isOlder(one: string, other: string): boolean {
  const [major = 0, minor = 0] = one.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}
