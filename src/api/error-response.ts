import { fleetError, isFleetPath } from './fleet/answers.ts';
import { problemResponse } from './problem-response.ts';

/** What was asked, as far as it matters for how an error is told. */
export interface Asked {
  readonly path: string;
  readonly requestId: string;
}

/** The answer to a request that failed, in the words of the API that was asked. */
export function errorResponse(version: string, error: unknown, { path, requestId }: Asked): Response {
  return isFleetPath(path) ? fleetError(version, error) : problemResponse(error, requestId);
}
