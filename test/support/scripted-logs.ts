import { AgentError } from '../../src/domain/errors.ts';
import type { InstanceKey } from '../../src/domain/ids.ts';
import { Changes } from '../../src/loop/changes.ts';
import type { LogLine, LogOptions, Runtime } from '../../src/runtime/port.ts';

/** A node's journal as tests write it: what was written is read as a runtime gives it, and followed. */
export class ScriptedLogs {
  readonly #lines = new Map<InstanceKey, LogLine[]>();
  readonly #changes = new Changes();
  /** Readers that are open now. */
  readers = 0;
  /** What was asked for, oldest first. */
  readonly asked: LogOptions[] = [];

  /** Appends a line; the time is now unless it's given. */
  write(key: InstanceKey, text: string, at = new Date().toISOString()): void {
    this.writeAll(key, [{ at, stream: 'stdout', text }]);
  }

  writeAll(key: InstanceKey, lines: readonly LogLine[]): void {
    const written = this.#lines.get(key) ?? [];
    for (const line of lines) written.push(line);
    this.#lines.set(key, written);
    this.#changes.tell();
  }

  readonly logs: Runtime['logs'] = (key, options, signal) => this.#read(key, options, signal);

  async *#read(key: InstanceKey, options: LogOptions, signal: AbortSignal): AsyncGenerator<readonly LogLine[]> {
    this.asked.push(options);
    const written = this.#lines.get(key);
    if (written === undefined) throw new AgentError('NOT_FOUND', `Cannot read logs of "${key}": it is not here`);
    this.readers += 1;
    try {
      const { tail, since = '0001-01-01T00:00:00Z' } = options;
      let at = tail === undefined ? 0 : Math.max(0, written.length - tail);
      for (;;) {
        const end = Math.min(written.length, at + 500);
        const lines = written.slice(at, end).filter((line) => Temporal.Instant.compare(line.at, since) >= 0);
        at = end;
        if (lines.length > 0) yield lines;
        signal.throwIfAborted();
        if (at < written.length) continue;
        if (!options.follow) return;
        await this.#changes.until(() => written.length > at, signal);
        signal.throwIfAborted();
      }
    } finally {
      this.readers -= 1;
    }
  }
}
