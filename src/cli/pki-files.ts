import { join } from 'node:path';
import type { CertificateIdentity } from '../domain/certificate-identity.ts';
import { type Authority, checkLifetime, lifetimes, openAuthority, signCertificate } from '../pki/authority.ts';
import { type CertificateDescription, describeCertificate } from '../pki/describe-certificate.ts';
import { makeKeys, writeKey } from '../pki/keys.ts';
import { readPem, writePems } from '../pki/pem-files.ts';
import { readCertificates } from '../pki/read-certificates.ts';
import type { OptionSpec } from './command.ts';
import type { Context } from './context.ts';
import { durationOption, formatDuration, formatTime } from './durations.ts';
import { Misuse } from './misuse.ts';
import { printFields, printJson } from './print-answer.ts';
import { printable } from './table.ts';

/** Where a CA is, unless told otherwise. */
const usualFolder = 'muster-pki';

/** Options of the commands that sign. */
export const pkiOptions = {
  dir: { type: 'string', value: 'DIR', help: `The folder of the CA and of what it issues (${usualFolder})` },
  lifetime: { type: 'string', value: 'DURATION', help: 'For how long it is good, as 12h or 30d' },
  force: { type: 'boolean', help: 'Replace files that are there already' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

type Values = (name: 'dir' | 'lifetime') => string | undefined;

/** The folder of a CA, and its two files. */
export function authorityFiles(dir: string | undefined): {
  readonly dir: string;
  readonly cert: string;
  readonly key: string;
} {
  const folder = dir ?? usualFolder;
  return { dir: folder, cert: join(folder, 'ca.pem'), key: join(folder, 'ca-key.pem') };
}

/** The CA of a folder, or of two files. */
export async function readAuthority(files: { readonly cert: string; readonly key: string }): Promise<Authority> {
  const { cert, key } = files;
  return openAuthority({
    cert: await readPem(cert, 'the certificate of a CA, as muster pki init makes it'),
    certSource: cert,
    key: await readPem(key, 'the key of a CA, as muster pki init makes it'),
    keySource: key,
  });
}

/** How long a certificate is to be good: `--lifetime`, or what is usual for its kind. */
export function lifetimeOption(kind: keyof typeof lifetimes, text: string | undefined): number {
  if (text === undefined) return lifetimes[kind].usualMs;
  const lifetimeMs = durationOption('--lifetime', text);
  try {
    return checkLifetime(kind, lifetimeMs);
  } catch (error) {
    throw error instanceof Error ? new Misuse(error.message) : error;
  }
}

/** Makes a key and a certificate for it, writes both, and tells what they say. */
export async function issue(
  context: Context,
  input: { readonly value: Values; readonly flag: (name: 'force') => boolean },
  order: Pick<CertificateIdentity, 'role' | 'name'> & { readonly file: string; readonly addresses: readonly string[] },
): Promise<void> {
  const files = authorityFiles(input.value('dir'));
  const authority = await readAuthority(files);
  const keys = await makeKeys();
  const { role, name, addresses } = order;
  const lifetimeMs = lifetimeOption(role === 'node' ? 'node' : 'operator', input.value('lifetime'));
  const cert = await signCertificate(authority, {
    identity: { cluster: authority.cluster, role, name },
    addresses,
    publicKey: keys.publicKey,
    now: context.clock.wallTime(),
    lifetimeMs,
  });
  const written = { cert: `${join(files.dir, order.file)}.pem`, key: `${join(files.dir, order.file)}-key.pem` };
  const pems = [
    { path: written.key, content: await writeKey(keys), secret: true },
    { path: written.cert, content: cert, secret: false },
  ];
  await writePems(pems, input.flag('force'));
  tellWritten(context, written, describeAll(context, cert, written.cert)[0]);
}

/** What each certificate of a PEM text says. */
export function describeAll(
  { clock }: Pick<Context, 'clock'>,
  text: string,
  source: string,
): readonly CertificateDescription[] {
  return readCertificates(text, source).map((each) => describeCertificate(each, clock.wallTime()));
}

/** Says which files were written, and what the certificate says. Never what is in a key. */
export function tellWritten(
  context: Context,
  files: { readonly cert: string; readonly key?: string },
  description: CertificateDescription | undefined,
): void {
  if (context.json) {
    printJson(context, { files, certificate: description ?? null });
    return;
  }
  const { stdout } = context;
  stdout.write(`wrote ${printable(files.cert)}${description === undefined ? '' : `: ${said(context, description)}`}\n`);
  if (files.key !== undefined) stdout.write(`wrote ${printable(files.key)}: its key, for its owner alone\n`);
}

function said(context: Context, { role, name, cluster, notAfter }: CertificateDescription): string {
  const who =
    role === 'ca' ? `the CA of cluster ${cluster ?? '?'}` : `${role} ${name ?? '?'} of cluster ${cluster ?? '?'}`;
  return `${printable(who)}, until ${formatTime(notAfter, context)}`;
}

/** A certificate as fields for people. */
export function showCertificate(context: Context, description: CertificateDescription): void {
  const { notBefore, notAfter, renewAt, state } = description;
  const now = context.clock.wallTime().getTime();
  const leftMs = Temporal.Instant.from(notAfter).epochMilliseconds - now;
  const left = state === 'valid' ? `valid, ${formatDuration(leftMs)} left` : state;
  printFields(context, [
    ['Role', description.role === 'unknown' ? 'none of muster' : description.role],
    ['Name', description.name],
    ['Cluster', description.cluster],
    ['Addresses', description.addresses.join(', ')],
    ['State', left],
    ['From', formatTime(notBefore, context)],
    ['Until', formatTime(notAfter, context)],
    ['Renewed from', description.role === 'node' ? formatTime(renewAt, context) : undefined],
    ['Issuer', description.issuer],
    ['Serial', description.serialNumber],
    ['SHA-256', description.fingerprint],
  ]);
}
