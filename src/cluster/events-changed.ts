/** A stored value before and after a change, as far as both can be read. */
export interface Changed<T> {
  /** Undefined too where the store knows it no more. */
  readonly before?: T | undefined;
  readonly after?: T | undefined;
  /** There was none before. */
  readonly isNew: boolean;
}
