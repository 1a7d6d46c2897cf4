import type { Client } from '../wire/client.ts';
import type { ClientTarget } from '../wire/target.ts';
import type { Machine } from './machine.ts';

/** Where text goes: a terminal, a pipe or a file. */
export interface Output {
  write(text: string | Uint8Array): void;
  /** Resolves once what was written has been taken, so that a slow reader isn't written ahead of. */
  readonly drained?: () => Promise<void>;
  readonly isTTY: boolean;
  /** Width of the terminal now; undefined off a terminal. */
  readonly columns: number | undefined;
  /** Its height. */
  readonly rows: number | undefined;
}

/** The terminal that standard input is, as programs use it that handle each key. */
export interface KeyTerminal {
  /** Keys come as they are pressed, Ctrl-C too, and nothing is echoed; false: as before. */
  setRaw(isRaw: boolean): void;
  /** The kind of terminal: `xterm`. */
  readonly type: string;
  /** Calls whenever the size has changed; returns the cancel. The size is standard output's. */
  onResize(listener: () => void): () => void;
}

/** The part of the clock port that commands need. */
export interface CommandClock {
  monotonicMs(): number;
  wallTime(): Date;
  /** Calls `then` once after `ms` unless cancelled; returns the cancel. */
  after(ms: number, then: () => void): () => void;
}

/** What `muster agent` hands over to the agent's own entry. */
export interface AgentStart {
  readonly configPath: string | undefined;
  /** Flags as given: `--cluster demo` is `{ cluster: 'demo' }`; the configuration knows which exist. */
  readonly flags: Readonly<Record<string, string>>;
  /** Only validate, say so and end. */
  readonly check: boolean;
}

/** The process as commands see it: nothing below `main.ts` names `process`. */
export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Reads no more of standard input: else it would keep the process. */
  readonly closeStdin?: () => void;
  /** Absent where standard input or output is no terminal. */
  readonly keys?: () => KeyTerminal | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: CommandClock;
  /** Where this machine is, as `Europe/Berlin`. */
  readonly timeZone: () => string;
  readonly version: { readonly version: string; readonly commit: string };
  readonly runAgent: (start: AgentStart, signal: AbortSignal) => Promise<number>;
  /** The machine that the command runs on, without any agent; loaded when it's asked for. */
  readonly machine: () => Promise<Machine>;
  /** Opens the API of an agent; replaced by a fake in tests. */
  readonly connect: (target: ClientTarget) => Promise<Client>;
}

/** Help as text. */
export interface HelpTexts {
  /** On a command, a group of commands, or with no words on all. */
  on(words: readonly string[]): Promise<string>;
  /** The reference of all commands, in Markdown. */
  reference(): Promise<string>;
  /** The same as a man page, in roff. */
  manPage(): Promise<string>;
}

/** What a command is given beside its arguments. */
export interface Context extends Terminal {
  /** Where the agent's API is, with the certificate to show there. */
  target(): Promise<ClientTarget>;
  /** The agent's API, opened at its first use. */
  client(): Promise<Client>;
  /** What all commands say of themselves; a command can't import the table that it is in. */
  readonly help: HelpTexts;
  /** True when output is for programs. */
  readonly json: boolean;
  /** Names alone, and nothing of what is under way. */
  readonly quiet: boolean;
  /** Times are shown exactly, in UTC. */
  readonly utc: boolean;
  /** For stdout, which is opened when this is first asked for. */
  readonly paint: Paint;
  readonly signal: AbortSignal;
}

/** What a piece of text says, shown as a colour where colours are wanted. */
export type Tone = 'plain' | 'good' | 'bad' | 'warn' | 'dim' | 'strong';

/** Gives text its colour, or leaves it alone. */
export type Paint = (text: string, tone: Tone) => string;
