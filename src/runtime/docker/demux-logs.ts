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

type Unfinished = Record<LogLine['stream'], Partial | undefined>;

interface Frame {
  readonly stream: LogLine['stream'];
  readonly text: string;
}

/**
 * The lines of a container's multiplexed log stream that was asked for with timestamps, those of one chunk together. Holds one
 * frame and one unfinished line per stream; asks for more only when its reader does.
 */
export async function* demuxLogs(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly LogLine[], void> {
  const unfinished: Unfinished = { stdout: undefined, stderr: undefined };
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const { frames, rest } = takeFrames(pending);
    pending = rest;
    const lines = takeLines(frames, unfinished);
    if (lines.length > 0) yield lines;
  }
  const rest = (['stdout', 'stderr'] as const).flatMap((stream) => {
    const line = unfinished[stream];
    return line === undefined || line.text === '' ? [] : [{ at: line.at, stream, text: line.text }];
  });
  if (rest.length > 0) yield rest;
}

/** The lines that these frames end. */
function takeLines(frames: readonly Frame[], unfinished: Unfinished): LogLine[] {
  const lines: LogLine[] = [];
  for (const { stream, text } of frames) {
    for (const piece of text.split(/(?<=\n)/)) {
      const line = join(unfinished[stream], piece);
      if (line.text.endsWith('\n') || line.text.length >= longestLineChars) {
        unfinished[stream] = undefined;
        lines.push({ at: line.at, stream, text: line.text.replace(/\r?\n$/, '') });
      } else {
        unfinished[stream] = line;
      }
    }
  }
  return lines;
}

/** Each piece of a long message carries its own time; the line's is the first. */
function join(before: Partial | undefined, piece: string): Partial {
  const [, at = '', text = ''] = /^(\d{4}-\d\d-\d\dT\S+) ?(.*)$/s.exec(piece) ?? ['', '', piece];
  return { at: before?.at ?? fullTime(at), text: (before?.text ?? '') + text };
}

/** Docker leaves trailing zeros of the fraction away. */
function fullTime(at: string): string {
  if (at === '' || at.length === 30) return at;
  const [seconds = '', fraction = ''] = at.replace(/Z$/, '').split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}

function takeFrames(data: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (data.length - at >= headerBytes) {
    const kind = data.readUInt8(at);
    const size = data.readUInt32BE(at + 4);
    if (kind > 2 || size > largestFrameBytes) {
      throw new AgentError('INTERNAL', 'Cannot read the log: expected frames of a container without a terminal');
    }
    if (data.length - at < headerBytes + size) break;
    const text = data.toString('utf8', at + headerBytes, at + headerBytes + size);
    at += headerBytes + size;
    frames.push({ stream: kind === 2 ? 'stderr' : 'stdout', text });
  }
  return { frames, rest: data.subarray(at) };
}
