import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';

/** What the log is written to, as pino wants it. */
export interface LogOutput {
  write(line: string): void;
  close(): void;
}

export interface LogOutputOptions {
  /** Of standard output. */
  readonly fd: number;
  /** True where it leads to the journal (systemd's JOURNAL_STREAM): then there's a way to get another. */
  readonly isJournal: boolean;
  /** Where journald takes streams. */
  readonly journalSocket?: string;
  readonly clock: Clock;
}

const JOURNAL_SOCKET = '/run/systemd/journal/stdout';
/** sd_journal_stream_fd(3): identifier, unit, priority, and no prefixes or forwards. */
const HEADER = ['muster', 'muster.service', '6', '0', '0', '0', '0', ''].join('\n');
const RETRY = { firstMs: 500, maxMs: 30_000, jitter: 0.2 } as const;
/** Kept for when the journal is back; later lines are dropped. */
const KEPT_LINES = 500;
/** A journal that takes nothing: what is beyond is dropped. */
const UNSENT_BYTES = 2 ** 20;

/**
 * Standard output, for as long as somebody reads it. A journald that was stopped and started doesn't know the streams that it had: then
 * a new one is opened, and what was said meanwhile follows. Never throws: an agent must not end since nobody reads its log.
 */
export function openLogOutput(options: LogOutputOptions): LogOutput {
  return new JournalOutput(options);
}

class JournalOutput implements LogOutput {
  readonly #options: LogOutputOptions;
  readonly #kept: string[] = [];
  #isBroken = false;
  #isClosed = false;
  #socket: Socket | undefined;
  #failures = 0;
  #cancelRetry: () => void = () => {};

  constructor(options: LogOutputOptions) {
    this.#options = options;
  }

  write(line: string): void {
    if (!this.#isBroken && this.#writeToStdout(line)) return;
    if (this.#socket !== undefined) {
      if (this.#socket.writableLength < UNSENT_BYTES) this.#socket.write(line);
      return;
    }
    if (this.#kept.length < KEPT_LINES) this.#kept.push(line);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#socket?.end();
  }

  #writeToStdout(line: string): boolean {
    try {
      writeSync(this.#options.fd, line);
      return true;
    } catch (error) {
      if (isCode(error, 'EAGAIN')) return true; // nobody reads just now: dropped, rather than waited for
      this.#isBroken = true;
      if (this.#options.isJournal) this.#connect();
      return false;
    }
  }

  #connect(): void {
    if (this.#isClosed) return;
    const socket = connect(this.#options.journalSocket ?? JOURNAL_SOCKET);
    socket.unref();
    socket.on('error', () => {}); // 'close' follows
    socket.once('connect', () => {
      this.#failures = 0;
      socket.write(HEADER + this.#kept.splice(0).join(''));
      this.#socket = socket;
    });
    socket.once('close', () => {
      this.#socket = undefined;
      this.#failures += 1;
      const delayMs = backoffMs(this.#failures, { ...RETRY, random: Math.random });
      this.#cancelRetry = this.#options.clock.after(delayMs, () => this.#connect());
    });
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
