import { AgentError, type ErrorCode } from '../domain/errors.ts';
import { CompactedError } from './port.ts';

/** gRPC's status codes that this room tells apart. */
export const grpcCode = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A call that one endpoint didn't answer, or answered with a status other than OK. Stays inside this room. */
export class GrpcFailure extends Error {
  override readonly name = 'GrpcFailure';
  readonly code: number;
  readonly details: string;
  /** False only where no byte of the request can have left this process. */
  readonly sent: boolean;
  /** Of a watch that came too late: the first revision that the store still has. */
  readonly oldest: number | undefined;
  constructor(code: number, details: string, options: { readonly sent: boolean; readonly oldest?: number }) {
    super(`gRPC status ${code}: ${details}`);
    this.code = code;
    this.details = details;
    this.sent = options.sent;
    this.oldest = options.oldest;
  }

  /** Another endpoint, or the same one later, may answer the same call. */
  get isTransient(): boolean {
    return errorCodeOfFailure(this) === 'UNAVAILABLE';
  }
}

/** etcd's own texts, where the gRPC code alone doesn't say enough. */
const byDetails: readonly (readonly [text: string, code: ErrorCode])[] = [
  ['too many operations in txn request', 'LIMIT'],
  ['request is too large', 'LIMIT'],
  ['too large lease TTL', 'LIMIT'],
  ['database space exceeded', 'FULL'],
  ['too many requests', 'UNAVAILABLE'],
  ['revision in header is old', 'UNAVAILABLE'],
  ['user name is empty', 'UNAUTHENTICATED'],
  ['authentication failed', 'UNAUTHENTICATED'],
];

const byCode: ReadonlyMap<number, ErrorCode> = new Map([
  [grpcCode.cancelled, 'UNAVAILABLE'],
  [grpcCode.unknown, 'UNAVAILABLE'], // a dropped proposal, a member that stops: etcd has no better code for them
  [grpcCode.invalidArgument, 'INVALID_INPUT'],
  [grpcCode.deadlineExceeded, 'UNAVAILABLE'],
  [grpcCode.notFound, 'NOT_FOUND'],
  [grpcCode.permissionDenied, 'FORBIDDEN'],
  [grpcCode.resourceExhausted, 'LIMIT'],
  [grpcCode.failedPrecondition, 'CONFLICT'],
  [grpcCode.aborted, 'UNAVAILABLE'],
  [grpcCode.outOfRange, 'STALE'],
  [grpcCode.internal, 'UNAVAILABLE'], // how a stream that was reset arrives
  [grpcCode.unavailable, 'UNAVAILABLE'],
  [grpcCode.unauthenticated, 'UNAUTHENTICATED'],
]);

function errorCodeOfFailure(failure: GrpcFailure): ErrorCode {
  const known = byDetails.find(([text]) => failure.details.includes(text));
  return known?.[1] ?? byCode.get(failure.code) ?? 'INTERNAL';
}

/** What the rest of the program is told: "Cannot <action>: etcd at <endpoint>: <what it said>". */
export function toAgentError(failure: GrpcFailure, action: string, endpoint: string): AgentError {
  const details = failure.details.replace(/^etcdserver: /, '');
  const message = `Cannot ${action}: etcd at ${endpoint}: ${details}`;
  if (failure.oldest !== undefined) return new CompactedError(message, failure.oldest, { cause: failure });
  return new AgentError(errorCodeOfFailure(failure), message, { cause: failure });
}
