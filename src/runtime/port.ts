import type { InstanceKey } from '../domain/ids.ts';
import type { DisconnectMode, RunSpec, RuntimeKind } from '../domain/spec.ts';
import type { ObservedInstance } from '../domain/status.ts';

/** What a runtime needs to run an instance. */
export interface StartOrder {
  readonly key: InstanceKey;
  readonly run: RunSpec;
  readonly specHash: string;
  /** The image by digest, so that all copies run the same bytes; absent: the spec's own reference. */
  readonly resolvedImage?: string;
  readonly disconnect: DisconnectMode;
  readonly assignmentRevision: number;
  /** Added to a container's environment, and to a unit's by `EnvironmentFile=`: `MUSTER_…`. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What a start is at, for people: `pulling` carries e.g. `layer 2 of 5, 13 of 40 MB`. */
export interface StartProgress {
  readonly phase: 'pulling' | 'starting';
  readonly detail?: string;
}

export interface LogOptions {
  /** The last so many lines; absent: all. */
  readonly tail?: number;
  /** None before this: ISO 8601, in UTC. */
  readonly since?: string;
  readonly follow: boolean;
}

export interface LogLine {
  /** ISO 8601 in UTC; times of one runtime are equally long, so that their texts compare as they do. */
  readonly at: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** Lines that came together, oldest first: an array is such. */
export interface LogLines extends Iterable<LogLine> {
  readonly length: number;
  /** As an array's. */
  at(index: number): LogLine | undefined;
  /** Writes all of them as text, where that is cheaper than to make each; absent where they are made. */
  readonly write?: (pattern: LinePattern) => Uint8Array<ArrayBuffer>;
}

/** What stands around the parts of a line that is written: `begin`, its time, what says its stream, its text as JSON has it, `end`. */
export interface LinePattern {
  readonly begin: string;
  readonly stream: Readonly<Record<LogLine['stream'], string>>;
  readonly end: string;
}

/** The part of a runtime that runs what a node is ordered to. */
export type NodeRuntime = Pick<Runtime, 'kind' | 'observe' | 'start' | 'install' | 'stop' | 'remove' | 'run'>;

/** How large a terminal is, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A command to be run beside an instance. */
export interface ExecOrder {
  /** The program and its arguments, as they are: no shell reads them. At least the program. */
  readonly command: readonly string[];
  /** It gets a terminal, of this kind and size; then all its output is one stream. Absent: pipes. */
  readonly terminal?: TerminalSize & { readonly type: string };
  /** False: it has no input. */
  readonly input: boolean;
}

/** What a command writes. */
export interface ExecOutput {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** A command that runs beside an instance. */
export interface ExecSession {
  /** What it writes, until it has ended; to be read once. The reader sets the pace. */
  readonly output: AsyncIterable<ExecOutput>;
  /** Resolves once it's taken: the command sets the pace. What comes after its end, or after {@link endInput}, is dropped. */
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
  resize(size: TerminalSize): Promise<void>;
  /** Known once the output has ended: as shells have it, 128 and the signal for a killed one. */
  exitCode(): Promise<number>;
  /** Ends the command, if it still runs, and what it has started as far as it can be found. */
  close(): Promise<void>;
}

/** What an instance uses. */
export interface InstanceUsage {
  readonly key: InstanceKey;
  /** Time on a processor since its control group was made; absent where the machine doesn't count it. */
  readonly cpuNs?: bigint;
  /** Without what could be given back at once, as cached files; absent where the machine doesn't count it. */
  readonly memoryBytes?: number;
}

/**
 * One kind of runtime on this node. It touches only what it owns: by label, or by ownership record. "Already so" is success.
 * Any call may reject with `UNAVAILABLE` while the daemon is away; calls are bounded in time by the adapter.
 */
export interface Runtime {
  readonly kind: RuntimeKind;
  /** Its version, or undefined when this machine doesn't have it. */
  version(signal: AbortSignal): Promise<string | undefined>;
  /** Every instance of this cluster that it owns, whatever its state. Empty where the machine doesn't have the runtime. */
  observe(signal: AbortSignal): Promise<readonly ObservedInstance[]>;
  /**
   * Makes the instance run as ordered: fetches, creates, starts. An instance that exists with another hash must be removed first
   * (`CONFLICT`), one that runs in another mode too. `CONFLICT` also when the host itself has something of that name. Resolves once the daemon accepted the start
   * (unit: the job's result is `done`); a failed start rejects with `INTERNAL` and what the daemon said.
   */
  start(order: StartOrder, onProgress: (progress: StartProgress) => void, signal: AbortSignal): Promise<void>;
  /**
   * Makes all ready for the start of a unit, and doesn't start it; what was started and has ended counts as never started again. The
   * same refusals as {@link start}'s. Containers have no such state: `INVALID_INPUT`.
   */
  install(order: StartOrder, signal: AbortSignal): Promise<void>;
  /** Stops it and resolves once it's dead. Its record or container stays, so that its end can be observed. */
  stop(key: InstanceKey, signal: AbortSignal): Promise<void>;
  /** Removes what {@link stop} left. Refuses (`CONFLICT`) what still runs. */
  remove(key: InstanceKey, signal: AbortSignal): Promise<void>;
  /**
   * Its lines, oldest first, as many at once as came together; ends at the end unless following. The reader sets the pace.
   * `NOT_FOUND` for an instance it doesn't own.
   */
  logs(key: InstanceKey, options: LogOptions, signal: AbortSignal): AsyncIterable<LogLines>;
  /**
   * Runs a command where the instance runs: in its container, or with the unit's namespaces, environment and user. `NOT_FOUND` for an
   * instance it doesn't own, `CONFLICT` for one that doesn't run. The signal is for the beginning; then {@link ExecSession.close}.
   */
  exec(key: InstanceKey, order: ExecOrder, signal: AbortSignal): Promise<ExecSession>;
  /** What each instance that runs uses at this moment. Reads a few files for each; asks nothing of a daemon that it can find there. */
  usage(signal: AbortSignal): Promise<readonly InstanceUsage[]>;
  /** `repository@sha256:…` of an image reference, asked of its registry; undefined where this runtime has no images. */
  resolveImage(image: string, signal: AbortSignal): Promise<string | undefined>;
  /** Calls `onChange` whenever something owned may have changed (and after each reconnection). Resolves when the signal aborts. */
  run(onChange: () => void, signal: AbortSignal): Promise<void>;
  close(): void;
}
