import { AgentError } from '../../domain/errors.ts';
import { makeProblem } from '../problem-response.ts';
import { Refusal } from '../refusal.ts';

/** Where fleet's API is, under either of its names. */
export const FLEET_PREFIXES = ['/fleet/v1', '/v1-alpha'] as const;

/** True for a path of fleet's API, be it known or not, and for the root: errors there are told as fleet tells them. */
export function isFleetPath(path: string): boolean {
  return path === '/' || FLEET_PREFIXES.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
}

/** fleet's clients look for this; the second part says who answers. */
function headersOf(version: string): Record<string, string> {
  return { server: `fleetd/1.0.0 muster/${version}` };
}

/** An answer of fleet's API; `undefined`: no body. */
export function fleetAnswer(version: string, status: number, value?: unknown): Response {
  const headers = headersOf(version);
  if (value === undefined) return new Response(null, { status, headers });
  return new Response(JSON.stringify(value), { status, headers: { ...headers, 'content-type': 'application/json' } });
}

/** A request that is refused as fleet refuses it, with its status. */
export class FleetRefusal extends AgentError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(status === 404 ? 'NOT_FOUND' : status === 409 ? 'CONFLICT' : 'INVALID_INPUT', message);
    this.status = status;
  }
}

/** Any thrown value, as fleet's clients read errors. That the cluster can't be asked is said in fleet's own words, and why. */
export function fleetError(version: string, error: unknown): Response {
  const { status: ours, detail, code: kind } = makeProblem(error, '');
  const code = error instanceof FleetRefusal ? error.status : ours;
  const isAway = kind === 'UNAVAILABLE' || kind === 'FENCED';
  const message = isAway ? `fleet server unable to communicate with etcd: ${detail}` : detail;
  const response = fleetAnswer(version, code, { error: { code, message } });
  for (const [name, value] of Object.entries(error instanceof Refusal ? error.headers : {})) {
    response.headers.set(name, value);
  }
  return response;
}
