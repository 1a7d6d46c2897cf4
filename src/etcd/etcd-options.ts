/** PEM text. `cert` and `key` are the client's own: its CN is the etcd user. */
export interface EtcdTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name that the members' certificates must carry, where it isn't the endpoint's host. */
  readonly serverName?: string;
}

/** How to reach etcd. */
export interface EtcdOptions {
  /** `http://host:port` or `https://host:port`, in order of preference. One is in use at a time. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls;
  /** How long one endpoint may take to answer, a new connection included. */
  readonly attemptMs?: number;
  /** How long one call may take over all its attempts. */
  readonly callMs?: number;
  /** The endpoint to begin with (modulo their number), so that many nodes with one configuration spread over them. */
  readonly firstEndpoint?: number;
  /** A key that this user may read: {@link Kv.identity} asks for it, the answer's head is what counts. */
  readonly identityKey?: string;
  /** Another endpoint has come into use. */
  readonly onEndpoint?: (url: string) => void;
}

/** The defaults of {@link EtcdOptions}. */
export const etcdDefaults = { attemptMs: 2_000, callMs: 5_000, firstEndpoint: 0, identityKey: '\0' } as const;
