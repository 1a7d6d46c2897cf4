import * as v from 'valibot';
import { errorCode } from './answer-schemas.ts';
import { count, oneOf, optional, shape, text, time } from './answer-shape.ts';
import type { LogEntry, LogLineEntry, LogNotice } from './log-answers.ts';

/** Schemas of the lines of logs. */

const logLine = shape<LogLineEntry>({
  at: time,
  kind: v.literal('line'),
  stream: oneOf('stdout', 'stderr'),
  text,
  instance: text,
  node: text,
});

const logNotice = shape<LogNotice>({
  at: time,
  kind: v.literal('notice'),
  text,
  instance: optional(text),
  node: optional(text),
  code: optional(errorCode),
  lost: optional(count),
});

export const logEntry: v.GenericSchema<LogEntry> = v.union([logLine, logNotice]);
