import { aliasesOf } from './aliases.ts';
import { type Command, globalOptions, type OptionSpec, optionsOf } from './command.ts';
import { environmentTexts, exitCodeTexts, targetText } from './common-facts.ts';
import { optionWords } from './help.ts';
import { usageLine } from './parse-arguments.ts';

/** docs/cli.md, made from the commands' own data. */
export function renderReference(commands: readonly Command[]): string {
  const list = commands.map(({ path, summary }) => `| [\`muster ${path}\`](#${anchor(path)}) | ${cell(summary)} |\n`);
  return [
    '# The command line\n',
    '<!-- Made by `muster help --markdown`: change src/cli/commands and make it again. -->\n',
    '`muster` is one executable: the agent and the tool that talks to it, over the unix socket of any node of the cluster, or from anywhere over mutual TLS ([contexts](#muster-context-add)). A listing is a table for people, fitted to the terminal, and JSON with `--json`.\n',
    `| command | what it does |\n|---|---|\n${list.join('')}`,
    '## Options of every command\n',
    optionsTable(globalOptions),
    '## Exit codes\n',
    exitCodesTable,
    '## Environment\n',
    environmentTable,
    ...commands.map(section),
  ].join('\n');
}

const exitCodesTable = `| code | meaning |\n|---|---|\n${exitCodeTexts.map(([code, meaning]) => `| ${code} | ${meaning} |\n`).join('')}`;

const environmentRows = environmentTexts.map(
  ([names, meaning]) => `| ${names.map((name) => `\`${name}\``).join(', ')} | ${meaning} |\n`,
);
const environmentTable = `| variable | meaning |\n|---|---|\n${environmentRows.join('')}\n${targetText}\n`;

function section(command: Command): string {
  const parts = [`## muster ${command.path}\n`, `${command.summary}.\n`, `\`\`\`\n${usageLine(command)}\n\`\`\`\n`];
  const also = aliasesOf(command.path).map((alias) => `\`muster ${alias}\``);
  if (also.length > 0) parts.push(`Also: ${also.join(', ')}.\n`);
  parts.push(...command.details.map((paragraph) => `${paragraph}\n`));
  if (command.args.length > 0) {
    const rows = command.args.map(
      ({ name, help, optional }) => `| \`${name}\` | ${cell(help)}${optional === true ? ' (optional)' : ''} |\n`,
    );
    parts.push(`| argument | meaning |\n|---|---|\n${rows.join('')}`);
  }
  if (Object.keys(optionsOf(command)).length > 0) parts.push(optionsTable(optionsOf(command)));
  const lines = command.examples.map(({ line, does }) => `# ${does}\n${line}\n`);
  parts.push(`\`\`\`sh\n${lines.join('')}\`\`\`\n`);
  return parts.join('\n');
}

function optionsTable(options: Readonly<Record<string, OptionSpec>>): string {
  const rows = Object.entries(options).map(
    ([name, spec]) => `| \`${optionWords(name, spec)}\` | ${cell(spec.help)} |\n`,
  );
  return `| option | meaning |\n|---|---|\n${rows.join('')}`;
}

function anchor(path: string): string {
  return `muster-${path.replaceAll(' ', '-')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
