import { errorCodeOf, errorText } from '../domain/errors.ts';
import type { LinePattern, LogLine, LogLines } from '../runtime/port.ts';
import type { LogLineEntry, LogNotice } from '../wire/log-answers.ts';

/**
 * Lines of logs as they travel: JSON, each with its end, maybe with blank ones between. What is passed on goes as it came; only who
 * merges takes it apart.
 */
export type LogBatch = Uint8Array<ArrayBuffer>;

/** A line of a batch, without its end, and its time. */
export interface LogText {
  readonly at: string;
  readonly text: string;
}

/** Whose lines. */
export interface LogOrigin {
  readonly instance: string;
  /** The node's name. */
  readonly node: string;
}

/** How lines of one instance are written. The time comes first: whoever merges finds it without parsing. */
export function linePattern({ instance, node }: LogOrigin): LinePattern {
  const kind: LogLineEntry['kind'] = 'line';
  const between = (stream: LogLine['stream']) => `","kind":"${kind}","stream":"${stream}","text":`;
  return {
    begin: head,
    stream: { stdout: between('stdout'), stderr: between('stderr') },
    end: `,"instance":${JSON.stringify(instance)},"node":${JSON.stringify(node)}}\n`,
  };
}

/** Lines as they travel. */
export function encodeLines(lines: LogLines, pattern: LinePattern): LogBatch {
  if (lines.write !== undefined) return lines.write(pattern);
  let encoded = '';
  for (const { at, stream, text } of lines) {
    const time = JSON.stringify(at).slice(1, -1);
    encoded += pattern.begin + time + pattern.stream[stream] + JSON.stringify(text) + pattern.end;
  }
  return Buffer.from(encoded);
}

/** A notice among the lines. */
export function encodeNotice(notice: LogNotice): LogBatch {
  const { at, ...rest } = notice;
  return Buffer.from(`${JSON.stringify({ at, ...rest })}\n`);
}

/** A notice of what is in the way of some lines. */
export function noticeOf(error: unknown, at: string, origin: Partial<LogOrigin>): LogBatch {
  return encodeNotice({ at, kind: 'notice', text: errorText(error), ...origin, code: errorCodeOf(error) });
}

/** Takes a batch apart. */
export function splitBatch(batch: LogBatch): LogText[] {
  const lines = new TextDecoder().decode(batch).split('\n');
  return lines.flatMap((text) => (text === '' ? [] : [{ at: readAt(text), text }]));
}

/** Puts lines together again. */
export function joinLines(lines: readonly LogText[]): LogBatch {
  return Buffer.from(lines.map(({ text }) => `${text}\n`).join(''));
}

/** True for what an instance wrote; false for a notice. */
export function isLine({ at, text }: LogText): boolean {
  return text.startsWith('","kind":"line"', head.length + at.length);
}

/** Oldest first; what is of one time stays as it came. */
export function byTime(a: LogText, b: LogText): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

/** How each begins. */
export const head = '{"at":"';

/** The time of an encoded line; empty where it has none. */
function readAt(text: string): string {
  return text.startsWith(head) ? text.slice(head.length, text.indexOf('"', head.length)) : '';
}
