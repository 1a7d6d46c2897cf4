import { ChildAbort } from './child-abort.ts';

/** Something that runs until its signal aborts. */
export interface Service {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** Runs all until the signal aborts or any one ends; then stops all, waits for all, and throws what failed. */
export async function supervise(services: readonly Service[], signal: AbortSignal): Promise<void> {
  using stop = new ChildAbort(signal);
  const ends = await Promise.allSettled(
    services.map(async (service) => service.run(stop.signal).finally(() => stop.abort())),
  );
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  if (errors.length > 0) throw new AggregateError(errors, 'Cannot keep running: a service failed');
}
