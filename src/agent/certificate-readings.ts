import { type Reading, readingIf } from '../metrics/metrics.ts';
import { renewalTime } from '../pki/describe-certificate.ts';
import type { NodeCertificate } from './node-certificate.ts';

/** When this node's certificate and its CA end, as metrics; nothing while there's no certificate. */
export function readCertificate(
  found: Pick<NodeCertificate, 'certificate' | 'issuer'> | undefined,
): readonly Reading[] {
  if (found === undefined) return [];
  const { certificate, issuer } = found;
  const seconds = (time: Date) => time.getTime() / 1000;
  return [
    ...readingIf('muster_certificate_renewal_timestamp_seconds', seconds(renewalTime(certificate))),
    ...readingIf('muster_certificate_expiry_timestamp_seconds', seconds(certificate.validToDate)),
    ...readingIf('muster_ca_expiry_timestamp_seconds', seconds(issuer.validToDate)),
  ];
}
