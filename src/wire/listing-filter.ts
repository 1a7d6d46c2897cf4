/** What a listing is narrowed to, in its query; all that is given must hold. */
export interface ListingFilter {
  /** `key=value`, all of them: a node's labels; of a workload or an instance, its own or those of a node that it is on. */
  readonly label?: readonly string[];
  /** A node's ID, its first digits, or its hostname. */
  readonly node?: string;
  /** Any of them. */
  readonly phase?: readonly string[];
}
