import { errorCodeOf, errorText } from '../domain/errors.ts';
import type { LogLine } from '../runtime/port.ts';
import type { LogLineEntry, LogNotice } from '../wire/log-answers.ts';

/** A line of a stream of logs as it travels, and its time: what is merged and passed on is never parsed again. */
export interface LogText {
  readonly at: string;
  /** JSON, without the end of the line. */
  readonly text: string;
}

/** Whose lines. */
export interface LogOrigin {
  readonly instance: string;
  /** The node's name. */
  readonly node: string;
}

/** Encodes lines of one instance. The time comes first: whoever merges finds it without parsing ({@link readAt}). */
export function encodeLines(lines: readonly LogLine[], { instance, node }: LogOrigin): LogText[] {
  const rest = `,"instance":${JSON.stringify(instance)},"node":${JSON.stringify(node)}}`;
  return lines.map(({ at, stream, text }) => {
    const kind: LogLineEntry['kind'] = 'line';
    const head = `{"at":${JSON.stringify(at)},"kind":"${kind}","stream":"${stream}","text":`;
    return { at, text: `${head}${JSON.stringify(text)}${rest}` };
  });
}

/** A notice among the lines. */
export function encodeNotice(notice: LogNotice): LogText {
  const { at, ...rest } = notice;
  return { at, text: JSON.stringify({ at, ...rest }) };
}

/** A notice of what is in the way of some lines. */
export function noticeOf(error: unknown, at: string, origin: Partial<LogOrigin>): LogText {
  return encodeNotice({ at, kind: 'notice', text: errorText(error), ...origin, code: errorCodeOf(error) });
}

const head = '{"at":"';

/** The time of an encoded line; empty where it has none. */
export function readAt(text: string): string {
  return text.startsWith(head) ? text.slice(head.length, text.indexOf('"', head.length)) : '';
}

/** Oldest first; what is of one time stays as it came. */
export function byTime(a: LogText, b: LogText): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

/** True for what an instance wrote; false for a notice. */
export function isLine({ at, text }: LogText): boolean {
  return text.startsWith('","kind":"line"', head.length + at.length);
}
