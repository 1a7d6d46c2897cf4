import type { Finding } from '../domain/finding.ts';
import type { CertificateDescription } from '../pki/describe-certificate.ts';
import type { CertificateFacts } from './facts.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;
/** Of the time from a node's renewal to its certificate's end: so late a renewal may be, as when the agent was stopped. */
const LATE_PART = 0.1;

/** Files with certificates: readable, valid, not about to end, with the key that fits. */
export function judgeCertificates(files: readonly CertificateFacts[], now: Date): readonly Finding[] {
  return files.flatMap((file) => judgeFile(file, now));
}

function judgeFile({ path, key, certificates, isForbidden, keyFits }: CertificateFacts, now: Date): readonly Finding[] {
  const about = { check: 'certificates', subject: path } as const;
  const renew = key.startsWith('api.') ? 'muster pki renew' : 'renew it where it was made';
  if (isForbidden === true)
    return [{ ...about, level: 'warn', found: `not looked at: ${certificates.error ?? ''}`, advice: 'try as root' }];
  if (certificates.error !== undefined)
    return [{ ...about, level: 'fail', found: certificates.error, advice: `see the key ${key} of the configuration` }];
  if (keyFits === false)
    return [
      {
        ...about,
        level: 'fail',
        found: `the key beside it is another one's`,
        advice: `see ${key.replace(/cert$/, 'key')}; both are issued together`,
      },
    ];
  return certificates.value.map((certificate) => {
    const isRenewedHere = certificate.role === 'node' && key === 'api.tls.cert';
    const judgeEnd = isRenewedHere ? judgeRenewal : judgeDaysLeft;
    return { ...about, ...(judgeState(certificate, renew) ?? judgeEnd(certificate, now, renew)) };
  });
}

type Judgement = Pick<Finding, 'level' | 'found' | 'advice'>;

/** Undefined for one that is valid now. */
function judgeState(certificate: CertificateDescription, renew: string): Judgement | undefined {
  const { state, notAfter, notBefore } = certificate;
  if (state === 'expired') return { level: 'fail', found: `${whose(certificate)}ended on ${notAfter}`, advice: renew };
  if (state === 'valid') return undefined;
  return {
    level: 'fail',
    found: `${whose(certificate)}begins on ${notBefore}`,
    advice: 'see the clock of this machine and of the one that made it',
  };
}

function judgeDaysLeft(certificate: CertificateDescription, now: Date, renew: string): Judgement {
  const days = daysLeft(certificate, now);
  const found = `${whose(certificate)}valid for ${days} more days`;
  return days < SOON_DAYS ? { level: 'warn', found, advice: renew } : { level: 'ok', found };
}

/** A node's own lives for days and is renewed by the agent: what counts is that it was. */
function judgeRenewal(certificate: CertificateDescription, now: Date): Judgement {
  const renewMs = Temporal.Instant.from(certificate.renewAt).epochMilliseconds;
  const endMs = Temporal.Instant.from(certificate.notAfter).epochMilliseconds;
  const found = `${whose(certificate)}valid for ${daysLeft(certificate, now)} more days`;
  if (now.getTime() <= renewMs + (endMs - renewMs) * LATE_PART) return { level: 'ok', found };
  return {
    level: 'warn',
    found: `${found}, to be renewed since ${certificate.renewAt}`,
    advice: 'the agent renews it: see its log, and that pki.caKey is set on a node that is up',
  };
}

function daysLeft({ notAfter }: CertificateDescription, now: Date): number {
  return Math.floor((Temporal.Instant.from(notAfter).epochMilliseconds - now.getTime()) / DAY_MS);
}

function whose({ name }: CertificateDescription): string {
  return name === undefined ? '' : `${name}: `;
}
