import type { Finding } from '../domain/finding.ts';
import type { CertificateDescription } from '../pki/describe-certificate.ts';
import type { CertificateFacts } from './facts.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;

/** Files with certificates: readable, valid, not about to end, with the key that fits. */
export function judgeCertificates(files: readonly CertificateFacts[], now: Date): readonly Finding[] {
  return files.flatMap((file) => judgeFile(file, now));
}

function judgeFile({ path, key, certificates, keyFits }: CertificateFacts, now: Date): readonly Finding[] {
  const about = { check: 'certificates', subject: path } as const;
  const renew = key.startsWith('api.') ? 'muster pki renew' : 'renew it where it was made';
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
  return certificates.value.map((certificate) => ({ ...about, ...judgeTimes(certificate, now, renew) }));
}

function judgeTimes(
  { state, notAfter, notBefore, name }: CertificateDescription,
  now: Date,
  renew: string,
): Pick<Finding, 'level' | 'found' | 'advice'> {
  const who = name === undefined ? '' : `${name}: `;
  if (state === 'expired') return { level: 'fail', found: `${who}ended on ${notAfter}`, advice: renew };
  if (state === 'not yet valid')
    return {
      level: 'fail',
      found: `${who}begins on ${notBefore}`,
      advice: 'see the clock of this machine and of the one that made it',
    };
  const days = Math.floor((Temporal.Instant.from(notAfter).epochMilliseconds - now.getTime()) / DAY_MS);
  const found = `${who}valid for ${days} more days`;
  return days < SOON_DAYS ? { level: 'warn', found, advice: renew } : { level: 'ok', found };
}
