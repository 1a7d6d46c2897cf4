import type * as Library from '@peculiar/x509';

/** The X.509 library. Loaded only where a certificate is made or signed: it takes 20 MB. */
export type X509 = typeof Library;

/** Loads the library. It wants decorators' metadata to be there before it. */
export async function loadX509(): Promise<X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** What every key of ours is, and how it signs. */
export const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
