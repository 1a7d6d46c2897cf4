import type { X509Certificate } from 'node:crypto';
import { type CertificateRole, certificateAddresses, certificateIdentity } from '../domain/certificate-identity.ts';

/** What a certificate says. */
export interface CertificateDescription {
  /** `unknown`: a certificate, but none of ours. */
  readonly role: CertificateRole | 'ca' | 'unknown';
  readonly cluster?: string;
  readonly name?: string;
  readonly addresses: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  readonly state: 'valid' | 'expired' | 'not yet valid';
  /** When two thirds of its life are over: from then on agents renew theirs. */
  readonly renewAt: string;
  readonly serialNumber: string;
  readonly issuer: string;
  /** SHA-256. */
  readonly fingerprint: string;
}

/** What a certificate says, as of now. */
export function describeCertificate(certificate: X509Certificate, now: Date): CertificateDescription {
  const { subject, subjectAltName, validFromDate: from, validToDate: to } = certificate;
  const identity = certificateIdentity({ subject, subjectAltName });
  const cluster = certificate.ca ? /^O=(.+)$/m.exec(subject)?.[1] : identity?.cluster;
  const name = certificate.ca ? /^CN=(.+)$/m.exec(subject)?.[1] : identity?.name;
  return {
    role: certificate.ca ? 'ca' : (identity?.role ?? 'unknown'),
    ...(cluster === undefined ? {} : { cluster }),
    ...(name === undefined ? {} : { name }),
    addresses: certificateAddresses({ subjectAltName }),
    notBefore: from.toISOString(),
    notAfter: to.toISOString(),
    state: now >= to ? 'expired' : now < from ? 'not yet valid' : 'valid',
    renewAt: renewalTime(certificate).toISOString(),
    serialNumber: certificate.serialNumber,
    issuer: certificate.issuer.replaceAll('\n', ', '),
    fingerprint: certificate.fingerprint256,
  };
}

/** When two thirds of its life are over. */
export function renewalTime({
  validFromDate,
  validToDate,
}: Pick<X509Certificate, 'validFromDate' | 'validToDate'>): Date {
  const copy = structuredClone(validFromDate);
  copy.setTime(copy.getTime() + ((validToDate.getTime() - validFromDate.getTime()) * 2) / 3);
  return copy;
}
