import type { Readable, Writable } from 'node:stream';
import type { ExecOutput } from './port.ts';

/**
 * What several streams give, as it comes. Reads on only when its reader does. Leaving the loop leaves the streams as they are. A stream
 * that is closed by us has ended, and so has a terminal that no program has any more (to Linux that is an error).
 */
export async function* mergeOutputs(
  streams: Readonly<Partial<Record<ExecOutput['stream'], Readable>>>,
): AsyncGenerator<ExecOutput> {
  type Step = { readonly name: ExecOutput['stream']; readonly data: Uint8Array | undefined };
  const readers = new Map(
    (['stdout', 'stderr'] as const).flatMap((name) => {
      const stream = streams[name];
      return stream === undefined ? [] : [[name, stream.iterator({ destroyOnReturn: false })]];
    }) as [ExecOutput['stream'], AsyncIterator<Uint8Array>][],
  );
  const read = async (name: ExecOutput['stream'], iterator: AsyncIterator<Uint8Array>): Promise<Step> => {
    try {
      const step = await iterator.next();
      return { name, data: step.done === true ? undefined : step.value };
    } catch (error) {
      if (!ends.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return { name, data: undefined };
    }
  };
  const reading = new Map([...readers].map(([name, iterator]) => [name, read(name, iterator)]));
  while (reading.size > 0) {
    const { name, data } = await Promise.race(reading.values());
    const iterator = readers.get(name);
    if (data === undefined || iterator === undefined) {
      reading.delete(name);
    } else {
      reading.set(name, read(name, iterator));
      yield { stream: name, data };
    }
  }
}

const ends: ReadonlySet<string> = new Set(['EIO', 'ERR_STREAM_PREMATURE_CLOSE']);

/** Resolves once the data has been taken; what nobody takes any more is dropped. */
export async function writeAll(stream: Writable, data: Uint8Array): Promise<void> {
  if (!stream.writable) return;
  await new Promise<void>((resolve) => {
    const onClose = () => resolve();
    stream.once('close', onClose); // a write that was waiting then may never be told of
    stream.write(data, () => {
      stream.off('close', onClose);
      resolve();
    });
  });
}
