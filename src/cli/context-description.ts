import { errorText } from '../domain/errors.ts';
import type { ContextEntry } from '../input/contexts-file.ts';
import { describeCertificate } from '../pki/describe-certificate.ts';
import { readPem } from '../pki/pem-files.ts';
import { readCertificates } from '../pki/read-certificates.ts';
import type { Context } from './context.ts';
import { formatTime } from './durations.ts';

/** A context with what its certificate says. */
export interface ContextDescription {
  readonly name: string;
  readonly current: boolean;
  readonly endpoint: string;
  readonly cluster?: string;
  /** Role and name. */
  readonly as?: string;
  /** How its certificate is, for people. */
  readonly certificate: string;
  readonly usable: boolean;
}

/** What is known of a context without asking anybody. */
export async function describeContext(
  context: Context,
  {
    name,
    entry,
    current,
  }: { readonly name: string; readonly entry: ContextEntry | undefined; readonly current: string | undefined },
): Promise<ContextDescription> {
  const endpoint = entry?.endpoint ?? 'unix:///run/muster/muster.sock';
  const base = { name, current: name === (current ?? 'local'), endpoint };
  if (entry?.cert === undefined) return { ...base, certificate: '-', usable: true };
  try {
    const [certificate] = readCertificates(await readPem(entry.cert, 'a certificate in PEM'), entry.cert);
    if (certificate === undefined) return { ...base, certificate: 'none', usable: false };
    const said = describeCertificate(certificate, context.clock.wallTime());
    const until = `${said.state}, until ${formatTime(said.notAfter, context)}`;
    return {
      ...base,
      ...(said.cluster === undefined ? {} : { cluster: said.cluster }),
      as: `${said.role} ${said.name ?? '?'}`,
      certificate: until,
      usable: said.state === 'valid',
    };
  } catch (error) {
    return { ...base, certificate: errorText(error), usable: false };
  }
}
