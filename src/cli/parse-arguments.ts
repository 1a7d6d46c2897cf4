import { parseArgs } from 'node:util';
import { type ArgumentSpec, type Command, globalOptions, type Invocation, type OptionSpec } from './command.ts';
import { Misuse } from './misuse.ts';
import { suggestWord } from './suggest.ts';

/** What an argv means to a command, with the options that every command takes. */
export interface ParsedArguments {
  readonly input: Invocation;
  readonly socket: string | undefined;
  readonly json: boolean;
  readonly noColor: boolean;
  readonly help: boolean;
}

/** Reads an argv (without the command's own words) against the command's data; what doesn't fit is a {@link Misuse}. */
export function parseArguments(command: Command, argv: readonly string[]): ParsedArguments {
  const { args, passed, values } = readTokens(command, argv);
  const help = values.has('help');
  if (!help) checkCount(command, args);
  const value = (name: string) => {
    const given = values.get(name);
    return given === true ? undefined : given;
  };
  return {
    input: { args, passed, flag: (name) => values.has(name), value },
    socket: value('socket'),
    json: values.has('json'),
    noColor: values.has('no-color'),
    help,
  };
}

/** Options by name, `true` for those without a value; the last one of a name counts. */
function readTokens(command: Command, argv: readonly string[]) {
  const specs: Readonly<Record<string, OptionSpec>> = { ...command.options, ...globalOptions };
  const options = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, parserOption(spec)]));
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string | true>();
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
      values.set(token.name, checkValue(token, spec));
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
  while (at < argv.length) {
    const word = argv[at] ?? '';
    if (word === '--socket') at += 2;
    else if (/^(--json|--no-color|--help|-h|--socket=.*)$/.test(word)) at += 1;
    else break;
  }
  return Math.min(at, argv.length);
}

function parserOption(spec: OptionSpec): { type: 'boolean' | 'string'; short?: string } {
  return spec.short === undefined ? { type: spec.type } : { type: spec.type, short: spec.short };
}

function checkValue(
  token: { readonly rawName: string; readonly value: string | undefined; readonly inlineValue: boolean | undefined },
  spec: OptionSpec,
): string | true {
  if (spec.type === 'boolean') {
    if (token.value !== undefined) throw new Misuse(`Cannot read "${token.rawName}=${token.value}": expected no value`);
    return true;
  }
  // A value that looks like an option was most likely forgotten; "--option=-value" says it is meant.
  if (token.value === undefined || (token.inlineValue !== true && /^-./.test(token.value))) {
    throw new Misuse(`Cannot read "${token.rawName}": expected a value, as "${token.rawName} ${spec.value}"`);
  }
  return token.value;
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
  if (Object.keys(command.options).length > 0) words.push('[options]');
  return words.join(' ');
}

function argumentWord({ name, many, optional }: ArgumentSpec): string {
  const word = many === true ? `${name}…` : name;
  return optional === true ? `[${word}]` : word;
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
