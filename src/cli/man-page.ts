import { aliasesOf } from './aliases.ts';
import { type Command, globalOptions, type OptionSpec, optionsOf } from './command.ts';
import { environmentTexts, exitCodeTexts, fileTexts, targetText } from './common-facts.ts';
import { optionWords } from './help.ts';
import { usageLine } from './parse-arguments.ts';

/** docs/muster.1, made from the commands' own data, in the macros of man(7). */
export function renderManPage(commands: readonly Command[]): string {
  return [
    '.\\" Made by "muster help --man": change src/cli/commands and make it again.',
    '.TH MUSTER 1 "" "muster" "User commands"',
    '.SH NAME',
    'muster \\- run containers and systemd units on the machines of a cluster',
    '.SH SYNOPSIS',
    '.B muster',
    '.I COMMAND',
    '[options]',
    '.SH DESCRIPTION',
    roff(
      'VMs that carry the same cluster ID muster into one cluster. muster is the agent that runs on each of them, and the tool with which operators steer the cluster, through the agent of any node.',
    ),
    '.SH OPTIONS',
    'Of every command:',
    ...optionLines(globalOptions),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...exitCodeTexts.flatMap(([code, meaning]) => tagged(code, meaning)),
    '.SH ENVIRONMENT',
    ...environmentTexts.flatMap(([names, meaning]) => tagged(names.join(', '), meaning)),
    '.PP',
    roff(targetText),
    '.SH FILES',
    ...fileTexts.flatMap(([path, meaning]) => tagged(path, meaning)),
    '.SH SEE ALSO',
    '.BR systemctl (1),',
    '.BR docker (1),',
    '.BR etcdctl (1),',
    '.BR journalctl (1)',
    '',
  ].join('\n');
}

function commandLines(command: Command): string[] {
  const also = aliasesOf(command.path).map((alias) => `muster ${alias}`);
  const details = [
    `${command.summary}.`,
    ...command.details,
    ...(also.length === 0 ? [] : [`Also: ${also.join(', ')}.`]),
  ];
  return [
    `.SS "${quoted(usageLine(command))}"`,
    ...details.flatMap((text, at) => [...(at === 0 ? [] : ['.PP']), roff(text)]),
    ...command.args.flatMap(({ name, help }) => tagged(name, help)),
    ...optionLines(optionsOf(command)),
    '.PP',
    'Examples:',
    ...command.examples.flatMap(({ line, does }) => [
      '.PP',
      roff(`${does}:`),
      '.PP',
      '.nf',
      '.RS 4',
      roff(line),
      '.RE',
      '.fi',
    ]),
  ];
}

function optionLines(options: Readonly<Record<string, OptionSpec>>): string[] {
  return Object.entries(options).flatMap(([name, spec]) => tagged(optionWords(name, spec), spec.help));
}

function tagged(tag: string, text: string): string[] {
  return ['.TP', `.B ${roff(tag).replaceAll('"', '\\(dq')}`, roff(text)];
}

/** Text as roff takes it: hyphens stay what they are when copied, and no line begins a request. */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...').replaceAll('`', '');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function quoted(text: string): string {
  return roff(text).replaceAll('"', '\\(dq');
}
