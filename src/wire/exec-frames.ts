import { AgentError } from '../domain/errors.ts';
import type { Problem } from './problem.ts';

/**
 * What travels over the WebSocket of `…/exec`. Binary messages are data: to the agent the command's input, from it the number of a
 * stream (1: stdout, 2: stderr) and what was written to it. Text messages are JSON: one of the following.
 */
export type ExecRequest =
  /** The first message: what is to be run. */
  | { readonly start: ExecStart }
  /** The terminal has another size now. */
  | { readonly resize: ExecSize }
  /** The input has ended. */
  | { readonly end: 'stdin' };

/** What the agent says. */
export type ExecReply =
  /** The command runs: what comes now is its output. */
  | { readonly started: true }
  /** It has ended: the last message. */
  | { readonly exit: { readonly code: number } }
  /** It could not be run, or what became of it is not known: the last message. */
  | { readonly problem: Problem };

/** How large a terminal is, in characters. */
export interface ExecSize {
  readonly columns: number;
  readonly rows: number;
}

/** A command to be run beside an instance. */
export interface ExecStart {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[];
  /** It gets a terminal of this kind (`xterm`) and size. */
  readonly terminal?: ExecSize & { readonly type: string };
  /** False: it has no input. */
  readonly input: boolean;
}

/** The protocol's name and version, as the client asks for it. */
export const EXEC_PROTOCOL = 'muster-exec.v1';
/** No message is larger. */
export const EXEC_MESSAGE_LIMIT_BYTES = 256 * 1024;
/** So often the agent says that it's still there. */
export const EXEC_SIGN_MS = 5_000;
/** Data goes in pieces of this size at most. */
export const EXEC_PIECE_BYTES = 64 * 1024;

/** The first byte of output. */
export const execStreams = { stdout: 1, stderr: 2 } as const;

const MOST_ARGUMENTS = 1_000;
const LARGEST_SIZE = 10_000;

/** A message of the client's. `INVALID_INPUT` for anything else. */
export function parseExecRequest(text: string): ExecRequest {
  const value = parseObject(text);
  if ('start' in value) return { start: parseStart(value['start']) };
  if ('resize' in value) return { resize: parseSize(value['resize']) };
  if (value['end'] === 'stdin') return { end: 'stdin' };
  throw refuse('start, resize or end');
}

function parseStart(value: unknown): ExecStart {
  const { command, terminal, input } = asObject(value);
  if (!isCommand(command)) throw refuse(`start.command to be 1 to ${MOST_ARGUMENTS} texts without zero characters`);
  if (typeof input !== 'boolean') throw refuse('start.input to be true or false');
  if (terminal === undefined) return { command, input };
  const { type } = asObject(terminal);
  if (typeof type !== 'string' || !/^[A-Za-z0-9._+-]{1,64}$/.test(type)) throw refuse('terminal.type as "xterm"');
  return { command, input, terminal: { ...parseSize(terminal), type } };
}

function isCommand(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_ARGUMENTS || value[0] === '') return false;
  return value.every((each) => typeof each === 'string' && !each.includes('\0'));
}

function parseSize(value: unknown): ExecSize {
  const { columns, rows } = asObject(value);
  const isSize = (each: unknown): each is number =>
    Number.isInteger(each) && Number(each) >= 1 && Number(each) <= LARGEST_SIZE;
  if (isSize(columns) && isSize(rows)) return { columns, rows };
  throw refuse(`columns and rows to be 1 to ${LARGEST_SIZE}`);
}

/** A message as an object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return asObject(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw refuse('JSON', cause);
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refuse('an object');
}

function refuse(expected: string, cause?: unknown): AgentError {
  const message = `Cannot understand a message about a command: expected ${expected}`;
  return new AgentError('INVALID_INPUT', message, cause === undefined ? undefined : { cause });
}
