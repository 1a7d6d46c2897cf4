/** What a caller may do: `viewer` reads, `operator` changes, `node` is another agent that asks on somebody's behalf. */
export type Role = 'viewer' | 'operator' | 'node';

/** Who asks: whoever may open the unix socket, or the holder of a certificate. */
export interface Caller {
  readonly via: 'socket' | 'tls';
  /** For logs: the certificate's name, or `socket`. */
  readonly name: string;
  /** An operator may whatever a viewer may. */
  readonly role: Role;
  /** Where another agent asks: who asked that one. */
  readonly onBehalfOf?: { readonly name: string; readonly role: Role };
}

/** Whoever may open the unix socket is root, or in the group that root has given it to. */
export const socketCaller: Caller = { via: 'socket', name: 'socket', role: 'operator' };
