import { aliases, aliasesOf } from './aliases.ts';
import { type Command, globalOptions, type OptionSpec, optionsOf } from './command.ts';
import { type CommandPath, commandPaths, commands } from './commands.ts';
import type { Paint } from './context.ts';
import { usageLine } from './parse-arguments.ts';

/** The commands of a group (`node`; '' for all), one line each. */
export async function renderOverview(group: string, paint: Paint): Promise<string> {
  const own = commandPaths.filter((path) => group === '' || path.startsWith(`${group} `));
  const others = Object.entries(aliases).filter(([alias]) => group !== '' && alias.startsWith(`${group} `));
  const listed = [
    ...(await loadCommands(own)),
    ...(await loadCommands(others.map(([, path]) => path))).map(({ summary }, at) => ({
      path: others[at]?.[0] ?? '',
      summary,
    })),
  ];
  const intro =
    group === ''
      ? 'muster runs containers and systemd units on the machines of a cluster, and keeps them running.\n\n'
      : '';
  const rows = listed.map(({ path, summary }) => [path, summary] as const);
  const usage = `usage: muster ${group === '' ? 'COMMAND' : `${group} COMMAND`} [options]`;
  return `${intro}${usage}\n\n${heading('Commands', paint)}${columns(rows)}\n${optionsBlock('Options of every command', globalOptions, paint)}\nmuster help COMMAND shows a command's arguments, options and examples.\n`;
}

/** A command's own help. */
export function renderHelp(command: Command, paint: Paint): string {
  const args = command.args.map(({ name, help }) => [name, help] as const);
  const examples = command.examples.map(({ line, does }) => [line, does] as const);
  const blocks = [
    `${command.summary}.\n\nusage: ${usageLine(command)}\n`,
    alsoLine(command),
    ...command.details.map((paragraph) => `${wrap(paragraph, 100)}\n`),
    args.length === 0 ? '' : heading('Arguments', paint) + columns(args),
    Object.keys(optionsOf(command)).length === 0 ? '' : optionsBlock('Options', optionsOf(command), paint),
    optionsBlock('Options of every command', globalOptions, paint),
    heading('Examples', paint) + columns(examples),
  ];
  return blocks.filter((block) => block !== '').join('\n');
}

/** `also: muster list, muster workload ls`. */
function alsoLine({ path }: Command): string {
  const also = aliasesOf(path);
  return also.length === 0 ? '' : `also: ${also.map((alias) => `muster ${alias}`).join(', ')}\n`;
}

/** The data of these commands. */
export async function loadCommands(paths: readonly CommandPath[]): Promise<readonly Command[]> {
  return Promise.all(paths.map(async (path): Promise<Command> => commands[path]()));
}

/** `-f, --follow`, `--tail N`. */
export function optionWords(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? '' : `-${spec.short}, `;
  return `${short}--${name}${spec.type === 'string' ? ` ${spec.value}` : ''}`;
}

function optionsBlock(title: string, options: Readonly<Record<string, OptionSpec>>, paint: Paint): string {
  return (
    heading(title, paint) + columns(Object.entries(options).map(([name, spec]) => [optionWords(name, spec), spec.help]))
  );
}

function heading(title: string, paint: Paint): string {
  return `${paint(`${title}:`, 'strong')}\n`;
}

function columns(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
