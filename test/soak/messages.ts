/** What the soaked process holds, after a collection of garbage. */
export interface SoakSample {
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly fileDescriptors: number;
  /** What keeps the process up, by kind: timers, sockets, streams. */
  readonly resources: Readonly<Record<string, number>>;
  /** Abort signals that are alive and listened to. */
  readonly signals: number;
  /** Listeners of all of them, and of the one that has most. */
  readonly listeners: number;
  readonly mostListeners: number;
}

/** What the soaked process tells. */
export type SoakReport =
  | { readonly kind: 'joined' }
  | { readonly kind: 'running'; readonly count: number; readonly starts: number; readonly stops: number }
  | { readonly kind: 'sample'; readonly sample: SoakSample };

/** What it's asked. */
export type SoakRequest = 'sample' | 'end';
