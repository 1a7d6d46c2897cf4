import { parseArgs } from 'node:util';
import {
  type ArgumentSpec,
  type Command,
  globalOptions,
  type Invocation,
  type OptionSpec,
  optionsOf,
} from './command.ts';
import { Misuse } from './misuse.ts';
import { suggestWord } from './suggest.ts';

/** What an argv means to a command, with the options that every command takes. */
export interface ParsedArguments {
  readonly input: Invocation;
  readonly socket: string | undefined;
  readonly context: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly utc: boolean;
  readonly watch: boolean;
  readonly noColor: boolean;
  readonly help: boolean;
}

/** Reads an argv (without the command's own words) against the command's data; what doesn't fit is a {@link Misuse}. */
export function parseArguments(command: Command, argv: readonly string[]): ParsedArguments {
  const { args, passed, values } = readTokens(command, argv);
  const help = values.has('help');
  if (!help) checkCount(command, args);
  const all = (name: string) => values.get(name) ?? [];
  const value = (name: string) => all(name).at(-1);
  return {
    input: { args, passed, flag: (name) => values.has(name), value, values: all },
    socket: value('socket'),
    context: value('context'),
    json: values.has('json'),
    quiet: values.has('quiet'),
    utc: values.has('utc'),
    watch: values.has('watch'),
    noColor: values.has('no-color'),
    help,
  };
}

/** Options by name with their values, none for those that take none. */
function readTokens(command: Command, argv: readonly string[]) {
  const specs: Readonly<Record<string, OptionSpec>> = { ...optionsOf(command), ...globalOptions };
  const options = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, parserOption(spec)]));
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string[]>();
  const passed: Record<string, string> = {};
  const args: string[] = [];
  let open: string | undefined; // an undeclared option whose value may be the next word
  for (const token of tokens) {
    if (token.kind === 'positional' && open !== undefined) passed[open] = token.value;
    else if (token.kind === 'positional') args.push(token.value);
    open = undefined;
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec !== undefined) {
      values.set(token.name, [...(values.get(token.name) ?? []), ...readValue(token, spec)]);
      continue;
    }
    if (command.passesOptions !== true || token.rawName.length < 3) throw unknownOption(command, token.rawName, specs);
    passed[token.name] = token.value ?? 'true';
    open = token.value === undefined ? token.name : undefined;
  }
  return { args, passed, values };
}

/** The options that may stand before a command's words, and how many words of argv they take. */
export function skipGlobalOptions(argv: readonly string[]): number {
  let at = 0;
  for (;;) {
    const taken = wordsOfOption(argv[at] ?? '');
    if (taken === 0 || at >= argv.length) return Math.min(at, argv.length);
    at += taken;
  }
}

function wordsOfOption(word: string): 0 | 1 | 2 {
  for (const [name, spec] of Object.entries(globalOptions) as [string, OptionSpec][]) {
    const isIt = word === `--${name}` || (spec.short !== undefined && word === `-${spec.short}`);
    if (isIt) return spec.type === 'string' ? 2 : 1;
    if (spec.type === 'string' && word.startsWith(`--${name}=`)) return 1;
  }
  return 0;
}

function parserOption(spec: OptionSpec): { type: 'boolean' | 'string'; short?: string } {
  return spec.short === undefined ? { type: spec.type } : { type: spec.type, short: spec.short };
}

function readValue(
  token: { readonly rawName: string; readonly value: string | undefined; readonly inlineValue: boolean | undefined },
  spec: OptionSpec,
): string[] {
  if (spec.type === 'boolean') {
    if (token.value !== undefined) throw new Misuse(`Cannot read "${token.rawName}=${token.value}": expected no value`);
    return [];
  }
  // A value that looks like an option was most likely forgotten; "--option=-value" says it is meant.
  if (token.value === undefined || (token.inlineValue !== true && /^-./.test(token.value))) {
    throw new Misuse(`Cannot read "${token.rawName}": expected a value, as "${token.rawName} ${spec.value}"`);
  }
  return [token.value];
}

function unknownOption(command: Command, rawName: string, specs: Readonly<Record<string, OptionSpec>>): Misuse {
  const near = suggestWord(
    rawName,
    Object.keys(specs).map((name) => `--${name}`),
  );
  const hint = near === undefined ? `muster ${command.path} --help shows its options` : `did you mean ${near}?`;
  return new Misuse(`Cannot use option "${rawName}" with "muster ${command.path}": it has no such option`, hint);
}

function checkCount(command: Command, args: readonly string[]): void {
  const hint = `usage: ${usageLine(command)}`;
  const needed = command.args.filter((arg) => arg.optional !== true);
  const missing = needed[args.length];
  if (missing !== undefined)
    throw new Misuse(`Cannot run "muster ${command.path}": expected ${missing.name}, ${lower(missing.help)}`, hint);
  const extra = command.args.some((arg) => arg.many) ? undefined : args[command.args.length];
  if (extra !== undefined)
    throw new Misuse(
      `Cannot run "muster ${command.path}": expected nothing after "${args[command.args.length - 1] ?? command.path}", got "${extra}"`,
      hint,
    );
}

/** `muster apply FILE… [options]`. */
export function usageLine(command: Command): string {
  const words = ['muster', command.path, ...command.args.map(argumentWord)];
  if (Object.keys(optionsOf(command)).length > 0) words.push('[options]');
  return words.join(' ');
}

function argumentWord({ name, many, optional }: ArgumentSpec): string {
  const word = many === true ? `${name}…` : name;
  return optional === true ? `[${word}]` : word;
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
