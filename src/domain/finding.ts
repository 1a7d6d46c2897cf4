/** What a look at one thing of a machine has found. */
export interface Finding {
  /** What was looked at: `etcd`, `clock`. */
  readonly check: string;
  /** Which of several: an endpoint, a file. */
  readonly subject?: string;
  /** `warn`: works, and should not stay so. `fail`: something does not work, or will soon stop working. */
  readonly level: 'ok' | 'warn' | 'fail';
  /** In one line. */
  readonly found: string;
  /** What to do about it; absent when nothing. */
  readonly advice?: string;
}
