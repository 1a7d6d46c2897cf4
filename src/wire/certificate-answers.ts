import * as v from 'valibot';
import { AgentError } from '../domain/errors.ts';

/** `POST /v1/node/certificate`: a request for a certificate (PKCS #10, in PEM). */
export interface CertificateRequest {
  readonly request: string;
}

/** The certificate, in PEM. */
export interface CertificateAnswer {
  readonly certificate: string;
}

/** Longer than any request for a certificate of ours. */
const REQUEST_LIMIT_CHARS = 8_192;

/** The body of a request for a certificate. */
export const certificateRequestSchema: v.GenericSchema<unknown, CertificateRequest> = v.strictObject({
  request: v.pipe(v.string(), v.maxLength(REQUEST_LIMIT_CHARS), v.includes('-----BEGIN CERTIFICATE REQUEST-----')),
});

/** The body of a request for a certificate. */
export function parseCertificateRequest(json: unknown): CertificateRequest {
  const parsed = v.safeParse(certificateRequestSchema, json);
  if (parsed.success) return parsed.output;
  throw new AgentError(
    'INVALID_INPUT',
    'Cannot read the request for a certificate: expected {"request": PKCS #10 in PEM}',
  );
}
