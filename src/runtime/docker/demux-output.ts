import { AgentError } from '../../domain/errors.ts';
import type { ExecOutput } from '../port.ts';

/** A frame's header: stream, three zero bytes, length. */
const headerBytes = 8;

/** What a command without a terminal writes, from the frames of Docker's stream. Holds a header at most: frames are given as they come. */
export async function* demuxOutput(chunks: AsyncIterable<Buffer>): AsyncGenerator<ExecOutput> {
  let head: Buffer = Buffer.alloc(0);
  let stream: ExecOutput['stream'] = 'stdout';
  let left = 0;
  for await (const chunk of chunks) {
    let rest: Buffer = chunk;
    while (rest.length > 0) {
      if (left === 0) {
        const missing = headerBytes - head.length;
        head = Buffer.concat([head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (head.length < headerBytes) break;
        if (head.readUInt8(0) > 2)
          throw new AgentError('INTERNAL', "Cannot read the command's output: expected frames");
        stream = head.readUInt8(0) === 2 ? 'stderr' : 'stdout';
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
      } else {
        const data = rest.subarray(0, left);
        left -= data.length;
        rest = rest.subarray(data.length);
        yield { stream, data };
      }
    }
  }
}
