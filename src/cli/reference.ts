import { type Command, globalOptions, type OptionSpec, optionsOf } from './command.ts';
import { optionWords } from './help.ts';
import { usageLine } from './parse-arguments.ts';

/** docs/cli.md, made from the commands' own data. */
export function renderReference(commands: readonly Command[]): string {
  const list = commands.map(({ path, summary }) => `| [\`muster ${path}\`](#${anchor(path)}) | ${cell(summary)} |\n`);
  return [
    '# The command line\n',
    '<!-- Made by `muster help --markdown`: change src/cli/commands and make it again. -->\n',
    '`muster` is one executable: the agent and the tool that talks to it, over the unix socket of any node of the cluster. A listing is a table for people, fitted to the terminal, and JSON with `--json`.\n',
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

const exitCodesTable = `| code | meaning |
|---|---|
| 0 | done |
| 1 | failed: the message says why |
| 2 | misuse: the command line can't be understood; nothing was done |
| 3 | accepted, but not converged in time; the cluster goes on |
| 130, 141, 143 | ended by Ctrl-C, by a closed pipe, by SIGTERM; what was accepted stays |
`;

const environmentTable = `| variable | meaning |
|---|---|
| \`MUSTER_ENDPOINT\` | where the API is: \`https://host:port\`, with \`MUSTER_CA\`, \`MUSTER_CERT\` and \`MUSTER_KEY\`, or \`unix:///path\` |
| \`MUSTER_CA\`, \`MUSTER_CERT\`, \`MUSTER_KEY\` | the PEM files of the cluster's CA, your certificate and its key |
| \`MUSTER_SOCKET\` | the agent's API socket, as \`--socket\` |
| \`MUSTER_CONTEXT\` | the context, as \`--context\` |
| \`MUSTER_CONFIG\` | the agent's configuration file, as \`muster agent --config\` |
| \`MUSTER_DEBUG\` | when set, errors are printed with their code and where they came from |
| \`NO_COLOR\` | when set, no colours |

Where a command asks is said by the first of these that is there: \`--socket\` or \`--context\`, \`MUSTER_ENDPOINT\`, \`MUSTER_SOCKET\`,
\`MUSTER_CONTEXT\`, the context in use (\`muster context use\`), \`/run/muster/muster.sock\`.
`;

function section(command: Command): string {
  const parts = [`## muster ${command.path}\n`, `${command.summary}.\n`, `\`\`\`\n${usageLine(command)}\n\`\`\`\n`];
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
