import type { NodeId } from '../domain/ids.ts';

/** Signs certificates of nodes; there is one where this node has the CA's key. */
export interface CertificateSigner {
  /**
   * A certificate for that node, in PEM. Nothing that the request says of its holder is heeded.
   * `INVALID_INPUT` for what is no request; `UNAVAILABLE` with the reason where it can't be signed, or too many wait already.
   */
  sign(
    order: { readonly node: NodeId; readonly addresses: readonly string[]; readonly request: string },
    signal: AbortSignal,
  ): Promise<string>;
}
