import type { Client } from '../wire/client.ts';
import { aliases } from './aliases.ts';
import { type ArgumentSpec, type Command, globalOptions, type OptionSpec, optionsOf } from './command.ts';
import { type CommandPath, commandPaths, commands } from './commands.ts';
import type { Terminal } from './context.ts';
import { findTarget } from './find-target.ts';

/** What may stand where the cursor is. */
export interface Candidate {
  readonly word: string;
  readonly about?: string;
}

/** What may follow; `files`: the shell completes file names too. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/** What may be typed for a command. */
const allWords: readonly string[] = [...commandPaths, ...Object.keys(aliases)];

/** Whoever presses Tab does not wait longer for names. */
const ANSWER_MS = 1_500;

const nothing: Completion = { candidates: [], files: false };

/**
 * `muster __complete WORD…`: what the scripts of `muster completion` ask. The last word is the one being typed. Prints a candidate a
 * line with what it's about behind a tab, and `:files` where file names fit too. Never fails: nobody wants an error at Tab.
 */
export async function printCompletion(
  words: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { candidates, files } = await complete(words, terminal, signal).catch(() => nothing);
  const typed = words.at(-1) ?? '';
  const seen = new Map(candidates.map((candidate) => [candidate.word, candidate]));
  const lines = [...seen.values()]
    .filter(({ word }) => word.startsWith(typed))
    .map(({ word, about }) => `${word}\t${about ?? ''}`);
  terminal.stdout.write([...lines, ...(files ? [':files'] : [])].map((line) => `${line}\n`).join(''));
  return 0;
}

async function complete(words: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<Completion> {
  const before = words.slice(0, -1);
  const typed = words.at(-1) ?? '';
  const line = readLine(before);
  const command = line.path === undefined ? undefined : ((await commands[line.path]()) as Command);
  const options: Readonly<Record<string, OptionSpec>> = {
    ...(command === undefined ? {} : optionsOf(command)),
    ...globalOptions,
  };
  const open = optionOf(before.at(-1) ?? '', options);
  const ask = async (kind: NameKind) => askNames(kind, before, terminal, signal);
  if (line.isLost) return nothing;
  if (open?.type === 'string') {
    const words = open.words?.map((word) => ({ word }));
    return words === undefined ? completeValue(open.value, open.help, ask) : { candidates: words, files: false };
  }
  if (typed.startsWith('-')) return { candidates: optionCandidates(options), files: false };
  if (command === undefined) return { candidates: await commandCandidates(line.words), files: false };
  const more = await commandCandidates(line.words);
  const given = positionals(line.rest, options);
  const argument = command.args[given] ?? (command.args.at(-1)?.many === true ? command.args.at(-1) : undefined);
  const names = argument === undefined ? nothing : await completeArgument(argument, command, ask);
  return { candidates: [...(given === 0 ? more : []), ...names.candidates], files: names.files };
}

/** The command that the words before the cursor call, and what of them follows it. `isLost`: they call none. */
function readLine(before: readonly string[]) {
  const words: string[] = [];
  const rest: string[] = [];
  let path: CommandPath | undefined;
  let isLost = false;
  for (let at = 0; at < before.length; at += 1) {
    const word = before[at] ?? '';
    const next = [...words, word].join(' ');
    if (rest.length === 0 && allWords.some((each) => `${each} `.startsWith(`${next} `))) {
      words.push(word);
      path = commandPaths.find((each) => each === next) ?? aliases[next] ?? path;
    } else if (path !== undefined) rest.push(word);
    else if (!word.startsWith('-')) isLost = true;
    else if (optionOf(word, globalOptions)?.type === 'string') at += 1;
  }
  return { words, rest, path, isLost };
}

function optionOf(word: string, options: Readonly<Record<string, OptionSpec>>): OptionSpec | undefined {
  const isLong = word.startsWith('--');
  if (isLong) return Object.hasOwn(options, word.slice(2)) ? options[word.slice(2)] : undefined;
  return /^-[A-Za-z]$/.test(word) ? Object.values(options).find(({ short }) => short === word.slice(1)) : undefined;
}

/** How many arguments of its own a command has already. */
function positionals(rest: readonly string[], options: Readonly<Record<string, OptionSpec>>): number {
  let count = 0;
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? '';
    if (!word.startsWith('-')) count += 1;
    else if (optionOf(word, options)?.type === 'string') at += 1;
  }
  return count;
}

function optionCandidates(options: Readonly<Record<string, OptionSpec>>): readonly Candidate[] {
  return Object.entries(options).map(([name, { help }]) => ({ word: `--${name}`, about: help }));
}

/** The words that may follow these on the way to a command. */
async function commandCandidates(words: readonly string[]): Promise<readonly Candidate[]> {
  const prefix = words.map((word) => `${word} `).join('');
  // Other words for commands are completed where somebody has begun to type them, and not offered beside the commands.
  const known = words.length === 0 ? commandPaths : allWords;
  const below = known.filter((path) => path.startsWith(prefix) && path !== prefix.trim());
  return Promise.all(
    below.map(async (typed): Promise<Candidate> => {
      const [word = '', ...more] = typed.slice(prefix.length).split(' ');
      const path = commandPaths.find((each) => each === typed) ?? aliases[typed];
      return more.length > 0 || path === undefined ? { word } : { word, about: (await commands[path]()).summary };
    }),
  );
}

type NameKind = 'workload' | 'instance' | 'node' | 'context';
type Ask = (kind: NameKind) => Promise<readonly Candidate[]>;

async function completeArgument(argument: ArgumentSpec, command: Command, ask: Ask): Promise<Completion> {
  if (argument.name === 'COMMAND') return { candidates: await commandCandidates([]), files: false };
  if (argument.name === 'NAME' && command.path.startsWith('context ')) {
    return { candidates: await ask('context'), files: false };
  }
  return completeValue(argument.name, argument.help, ask);
}

/** By its placeholder, and for a name by what its help says that it names. */
async function completeValue(placeholder: string, help: string, ask: Ask): Promise<Completion> {
  const list = (words: readonly string[]) => ({ candidates: words.map((word) => ({ word })), files: false });
  switch (placeholder) {
    case 'FILE':
    case 'PATH':
    case 'DIR':
    case 'FOLDER':
      return { candidates: [], files: true };
    case 'SHELL':
      return list(['bash', 'zsh', 'fish']);
    case 'DURATION':
      return list(['10s', '1m', '5m', '30m', '1h']);
    case 'NODE':
      return { candidates: await ask('node'), files: false };
    default: {
      const kinds = (['workload', 'instance', 'node', 'context'] as const).filter((kind) =>
        help.toLowerCase().includes(kind),
      );
      const isName = /^(NAME|WORKLOAD|INSTANCE)$/.test(placeholder);
      return { candidates: isName ? (await Promise.all(kinds.map(ask))).flat() : [], files: false };
    }
  }
}

/** Names from the agent that the line so far talks to, or from the file of contexts. */
async function askNames(
  kind: NameKind,
  before: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  if (kind === 'context') {
    const { loadContexts } = await import('./contexts.ts');
    return [...loadContexts(terminal.env).contexts.keys()].map((word) => ({ word }));
  }
  const late = new AbortController();
  const cancel = terminal.clock.after(ANSWER_MS, () => late.abort(new Error('too late')));
  const client = await terminal.connect(
    await findTarget({ socket: givenOption(before, 'socket'), context: givenOption(before, 'context') }, terminal.env),
  );
  try {
    return await namesOf(kind, client, AbortSignal.any([signal, late.signal]));
  } finally {
    cancel();
    client.close();
  }
}

async function namesOf(kind: NameKind, client: Client, signal: AbortSignal): Promise<readonly Candidate[]> {
  if (kind === 'node') {
    const { nodes } = await client.nodes({}, signal);
    return nodes.map(({ hostname, state, leader }) => ({ word: hostname, about: leader ? `${state}, leads` : state }));
  }
  if (kind === 'instance') {
    const { rows } = await client.instances({}, signal);
    return rows.map(({ display, phase, node }) => ({
      word: display,
      about: node === undefined ? phase : `${phase} on ${node.hostname}`,
    }));
  }
  const { workloads } = await client.workloads({}, signal);
  return workloads.map(({ name, desired, summary }) => ({
    word: name,
    about: `${desired}, ${summary.healthy} of ${summary.wanted} healthy`,
  }));
}

function givenOption(words: readonly string[], name: string): string | undefined {
  const at = words.lastIndexOf(`--${name}`);
  if (at >= 0) return words[at + 1];
  return words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
}
