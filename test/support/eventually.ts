/** How long to go on trying, and how often. */
export interface EventuallyOptions {
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/** Calls `check` until it no longer throws and returns its value; past the deadline throws what it threw last. */
export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { withinMs = 10_000, everyMs = 20 } = options;
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
