import type { Client } from '../wire/client.ts';
import type { ClientTarget } from '../wire/target.ts';
import { type Command, exitCodes } from './command.ts';
import { commands } from './commands.ts';
import type { Context, Paint, Terminal } from './context.ts';
import { findCommand } from './find-command.ts';
import { findTarget } from './find-target.ts';
import { Misuse } from './misuse.ts';
import { makePaint } from './paint.ts';
import { type ParsedArguments, parseArguments, skipGlobalOptions } from './parse-arguments.ts';
import { printError } from './print-error.ts';

/** Runs the command that `argv` (without the executable) calls; returns the exit code. Throws only what an abort throws. */
export async function runCli(argv: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  try {
    if (argv[0] === '__complete') return await completeWords(argv.slice(1), terminal, signal);
    const skipped = skipGlobalOptions(argv);
    const found = findCommand(argv.slice(skipped));
    if (found.kind === 'group') return await showOverview(found.group, argv, terminal);
    const command: Command = await commands[found.path]();
    const parsed = parseArguments(command, [...argv.slice(0, skipped), ...found.rest]);
    if (parsed.help) return await showHelp(command, terminal, parsed.noColor);
    return await runCommand(command, parsed, terminal, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    printError(terminal, error);
    return error instanceof Misuse ? exitCodes.misuse : exitCodes.failed;
  }
}

async function runCommand(
  command: Command,
  parsed: ParsedArguments,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { context, close } = makeContext(parsed, terminal, signal);
  try {
    if (!parsed.watch) return await command.run(context, parsed.input);
    const { runLive } = await import('./live.ts');
    return await runLive(context, async (each) => command.run(each, parsed.input));
  } finally {
    await close();
  }
}

/** What the command is given; everything in it is opened when it is first asked for. */
function makeContext(parsed: ParsedArguments, terminal: Terminal, signal: AbortSignal) {
  let target: Promise<ClientTarget> | undefined;
  let client: Promise<Client> | undefined;
  let paint: Paint | undefined;
  const context: Context = {
    ...terminal,
    json: parsed.json,
    quiet: parsed.quiet,
    utc: parsed.utc,
    get paint() {
      paint ??= makePaint(terminal.stdout, terminal.env, parsed.noColor);
      return paint;
    },
    help: {
      on: async (words) => (await import('./help-texts.ts')).helpOn(words, context.paint),
      manPage: async () => (await import('./help-texts.ts')).manPage(),
      reference: async () => (await import('./help-texts.ts')).reference(),
    },
    signal,
    target: () => {
      target ??= findTarget(parsed, terminal.env);
      return target;
    },
    client: () => {
      client ??= context.target().then(async (found) => terminal.connect(found));
      return client;
    },
  };
  const close = async () => {
    const opened = await client?.catch(() => undefined); // whoever asked was told
    opened?.close();
  };
  return { context, close };
}

async function completeWords(words: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  return (await import('./complete.ts')).printCompletion(words, terminal, signal);
}

async function showHelp(command: Command, { stdout, env }: Terminal, noColor: boolean): Promise<number> {
  const { renderHelp } = await import('./help.ts');
  stdout.write(renderHelp(command, makePaint(stdout, env, noColor)));
  return exitCodes.done;
}

/** The list of commands: asked for, or because none was named. */
async function showOverview(group: string, argv: readonly string[], terminal: Terminal): Promise<number> {
  const asked = argv.includes('--help') || argv.includes('-h');
  const { renderOverview } = await import('./help.ts');
  const output = asked ? terminal.stdout : terminal.stderr;
  output.write(await renderOverview(group, makePaint(output, terminal.env, argv.includes('--no-color'))));
  return asked ? exitCodes.done : exitCodes.misuse;
}
