import { AgentError } from '../../domain/errors.ts';
import type { LogLine } from '../port.ts';

/** A frame's header: stream, three zero bytes, length. */
const headerBytes = 8;
/** Docker's frames hold one message of up to 16 KiB and its time; more is no frame. */
const largestFrameBytes = 1024 * 1024;
/** A line longer than this is given in pieces. */
const longestLineChars = 64 * 1024;

interface Partial {
  at: string;
  text: string;
}

/**
 * The lines of a container's multiplexed log stream that was asked for with timestamps. Holds one frame and one unfinished
 * line per stream; asks for more only when its reader does.
 */
export async function* demuxLogs(chunks: AsyncIterable<Buffer>): AsyncGenerator<LogLine, void> {
  const unfinished: Record<LogLine['stream'], Partial | undefined> = { stdout: undefined, stderr: undefined };
  for await (const { stream, text } of readFrames(chunks)) {
    for (const piece of text.split(/(?<=\n)/)) {
      const line = join(unfinished[stream], piece);
      if (line.text.endsWith('\n') || line.text.length >= longestLineChars) {
        unfinished[stream] = undefined;
        yield { at: line.at, stream, text: line.text.replace(/\r?\n$/, '') };
      } else {
        unfinished[stream] = line;
      }
    }
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = unfinished[stream];
    if (rest !== undefined && rest.text !== '') yield { at: rest.at, stream, text: rest.text };
  }
}

/** Each piece of a long message carries its own time; the line's is the first. */
function join(before: Partial | undefined, piece: string): Partial {
  const [, at = '', text = ''] = /^(\d{4}-\d\d-\d\dT\S+) ?(.*)$/s.exec(piece) ?? ['', '', piece];
  return { at: before?.at ?? at, text: (before?.text ?? '') + text };
}

async function* readFrames(
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly stream: LogLine['stream']; readonly text: string }, void> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let at = 0;
    while (pending.length - at >= headerBytes) {
      const kind = pending.readUInt8(at);
      const size = pending.readUInt32BE(at + 4);
      if (kind > 2 || size > largestFrameBytes) {
        throw new AgentError('INTERNAL', 'Cannot read the log: expected frames of a container without a terminal');
      }
      if (pending.length - at < headerBytes + size) break;
      const text = pending.toString('utf8', at + headerBytes, at + headerBytes + size);
      at += headerBytes + size;
      yield { stream: kind === 2 ? 'stderr' : 'stdout', text };
    }
    pending = pending.subarray(at);
  }
}
