import { AgentError } from './errors.ts';
import { type ClusterId, parseClusterId } from './ids.ts';

/** What the holder of a certificate may do. */
export type CertificateRole = 'viewer' | 'operator' | 'node';

/** Whose a certificate is: said by its one `muster:` URI, and again by its subject for people. */
export interface CertificateIdentity {
  readonly cluster: ClusterId;
  readonly role: CertificateRole;
  /** A node's is its node ID. */
  readonly name: string;
}

/** The two texts of a certificate in which its holder stands, as Node's X509Certificate has them. */
export interface CertificateTexts {
  /** One `KEY=value` a line. */
  readonly subject: string;
  readonly subjectAltName: string | undefined;
}

/** Longest name of a certificate's holder. */
const NAME_LIMIT = 64;

const namePattern = /^[A-Za-z0-9]([A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?$/;

/** Accepts the name of a person or a machine that is to have a certificate: it becomes part of a path and of a URI. */
export function parseHolderName(text: string): string {
  if (namePattern.test(text) && !text.includes('..')) return text;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use the name "${text.slice(0, 200)}": expected 1 to ${NAME_LIMIT} of letters, digits and "._@-", beginning and ending with a letter or digit`,
  );
}

/** `muster://<cluster>/<role>/<name>`. */
export function certificateUri({ cluster, role, name }: CertificateIdentity): string {
  return `muster://${cluster}/${role}/${name}`;
}

/** Whose a certificate is; undefined where it isn't one of ours, or its subject says otherwise than its URI. */
export function certificateIdentity(texts: CertificateTexts): CertificateIdentity | undefined {
  const uris = alternativeNames(texts.subjectAltName).filter((name) => name.startsWith('URI:muster:'));
  const [, cluster = '', role, name = ''] =
    /^URI:muster:\/\/([^/]+)\/(viewer|operator|node)\/([^/]+)$/.exec(uris[0] ?? '') ?? [];
  if (uris.length !== 1 || role === undefined || !namePattern.test(name)) return undefined;
  const subject = texts.subject.split('\n');
  if (!subject.includes(`O=${cluster}`) || !subject.includes(`CN=${name}`)) return undefined;
  try {
    return { cluster: parseClusterId(cluster), role: role as CertificateRole, name };
  } catch {
    return undefined;
  }
}

/** Each alternative name as `KIND:value`, also where a value has commas: such ones are in quotes. */
export function alternativeNames(text: string | undefined): readonly string[] {
  return (text ?? '').match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g)?.map((name) => name.trim()) ?? [];
}

/** A node's addresses and host names: IP addresses and DNS names of a certificate. */
export function certificateAddresses({ subjectAltName }: Pick<CertificateTexts, 'subjectAltName'>): readonly string[] {
  return alternativeNames(subjectAltName).flatMap((name) => /^(?:DNS|IP Address):([^"]+)$/.exec(name)?.[1] ?? []);
}
