import type { CertificateRole } from '../../src/domain/certificate-identity.ts';
import { parseClusterId } from '../../src/domain/ids.ts';
import { type Authority, makeAuthority, openAuthority, signCertificate } from '../../src/pki/authority.ts';
import { makeKeys, writeKey } from '../../src/pki/keys.ts';

/** A certificate with its key and its CA, in PEM. */
export interface TestCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface TestCertificateOptions {
  readonly role?: CertificateRole;
  readonly name?: string;
  readonly addresses?: readonly string[];
  readonly lifetimeMs?: number;
  /** Else now. */
  readonly now?: Date;
}

/** A CA of a test, that signs what it's asked for. */
export interface TestPki {
  readonly authority: Authority;
  readonly ca: string;
  readonly caKey: string;
  issue(options?: TestCertificateOptions): Promise<TestCertificate>;
}

/** Makes a CA for that cluster. */
export async function makeTestPki(cluster: string, atMs: number = Date.now()): Promise<TestPki> {
  const id = parseClusterId(cluster);
  // From yesterday until tomorrow: what it signs may have ended, or be yet to begin.
  const made = await makeAuthority(id, { now: new Date(atMs - 86_400_000), lifetimeMs: 2 * 86_400_000 });
  const authority = await openAuthority({ cert: made.cert, certSource: 'ca', key: made.key, keySource: 'ca key' });
  return {
    authority,
    ca: made.cert,
    caKey: made.key,
    issue: async (options = {}) => {
      const { role = 'operator', name = 'anna', addresses = [], lifetimeMs = 60_000, now = new Date() } = options;
      const keys = await makeKeys();
      const order = { identity: { cluster: id, role, name }, addresses, publicKey: keys.publicKey, now, lifetimeMs };
      return { ca: made.cert, cert: await signCertificate(authority, order), key: await writeKey(keys) };
    },
  };
}
