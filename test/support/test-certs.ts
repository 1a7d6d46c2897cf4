import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertFiles {
  readonly cert: string;
  readonly key: string;
}

/** Files of a CA, of a server for 127.0.0.1 and `etcd.test`, and of clients by their CN. */
export interface TestCerts {
  readonly ca: string;
  readonly server: CertFiles;
  client(cn: string): CertFiles;
  /** The PEM text of one of its files. */
  read(file: string): string;
}

/** Makes them with openssl in this directory. */
export function makeTestCerts(directory: string): TestCerts {
  mkdirSync(directory, { recursive: true });
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test CA');
  const issue = (name: string, cn: string, extensions: string): CertFiles => {
    writeFileSync(join(directory, `${name}.ext`), extensions);
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${cn}`);
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signer, '-extfile', `${name}.ext`, '-out', `${name}.pem`);
    return { cert: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  };
  return {
    ca: join(directory, 'ca.pem'),
    server: issue(
      'server',
      'etcd.test',
      'subjectAltName=IP:127.0.0.1,DNS:etcd.test\nextendedKeyUsage=serverAuth,clientAuth\n',
    ),
    client: (cn) => issue(`client-${cn}`, cn, 'extendedKeyUsage=clientAuth\n'),
    read: (file) => readFileSync(file, 'utf8'),
  };
}
