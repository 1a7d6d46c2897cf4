import type { Context } from './context.ts';

/** An option of a command. A `string` takes a value, named by `value` in the help; `words`: all that it can be, for completion. */
export type OptionSpec =
  | { readonly type: 'boolean'; readonly short?: string; readonly help: string }
  | {
      readonly type: 'string';
      readonly short?: string;
      readonly value: string;
      readonly words?: readonly string[];
      readonly help: string;
    };

/** A positional argument. `many`: one or more (none or more when `optional`). */
export interface ArgumentSpec {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  readonly many?: boolean;
}

/** What was typed, checked against the command's own arguments and options. */
export interface Invocation<O extends string = string> {
  readonly args: readonly string[];
  flag(this: void, name: O): boolean;
  /** The last one, where it was given more than once. */
  value(this: void, name: O): string | undefined;
  /** All that were given, in their order. */
  values(this: void, name: O): readonly string[];
  /** Options that the command doesn't declare; only where it says `passesOptions`. */
  readonly passed: Readonly<Record<string, string>>;
}

/** One command: help, documents and parsing are made from it. */
export interface Command<O extends string = string> {
  /** The words that call it: `node ls`. */
  readonly path: string;
  readonly summary: string;
  /** More, for its own help: paragraphs. */
  readonly details: readonly string[];
  readonly args: readonly ArgumentSpec[];
  readonly options: Readonly<Record<O, OptionSpec>>;
  readonly examples: readonly { readonly line: string; readonly does: string }[];
  /** Options that aren't declared are collected rather than refused: another room knows them. */
  readonly passesOptions?: boolean;
  /** It only reads: with `--watch` it's shown again whenever something changes. */
  readonly live?: boolean;
  run(context: Context, input: Invocation<O>): Promise<number>;
}

/** Gives a command's options their type; changes nothing. */
export function makeCommand<const O extends string>(command: Command<O>): Command<O> {
  return command;
}

/** Options of every command that is {@link Command.live}. */
export const liveOptions = {
  watch: { type: 'boolean', help: 'Show it again whenever something changes, until Ctrl-C' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Options that a command takes beside those of every command. */
export function optionsOf(command: Command): Readonly<Record<string, OptionSpec>> {
  return { ...command.options, ...(command.live === true ? liveOptions : {}) };
}

/** Exit codes, the same for each command. */
export const exitCodes = { done: 0, failed: 1, misuse: 2, notConverged: 3, wouldChange: 4 } as const;

/** Options that every command takes. */
export const globalOptions = {
  socket: {
    type: 'string',
    value: 'PATH',
    help: "The agent's API socket (else MUSTER_SOCKET, else /run/muster/muster.sock)",
  },
  context: { type: 'string', value: 'NAME', help: 'The context to use (else MUSTER_CONTEXT, else the one in use)' },
  json: { type: 'boolean', help: 'Print JSON for programs instead of text for people' },
  quiet: { type: 'boolean', short: 'q', help: 'Print names alone, and nothing of what is under way' },
  utc: { type: 'boolean', help: 'Show times exactly, in UTC' },
  'no-color': { type: 'boolean', help: 'Print without colours, as does NO_COLOR=1' },
  help: { type: 'boolean', short: 'h', help: 'Show help' },
} as const satisfies Readonly<Record<string, OptionSpec>>;
