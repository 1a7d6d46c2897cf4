import { exitCodes, makeCommand } from '../command.ts';
import { commandPaths } from '../commands.ts';
import { findCommand } from '../find-command.ts';
import { loadCommands, renderHelp, renderOverview } from '../help.ts';

/** `muster help [COMMAND…]`. */
export const help = makeCommand({
  path: 'help',
  summary: 'Show the commands, or one command with its options and examples',
  details: [],
  args: [{ name: 'COMMAND', help: 'A command, as "node ls"', optional: true, many: true }],
  options: { markdown: { type: 'boolean', help: 'Print the reference of all commands, which is docs/cli.md' } },
  examples: [{ line: 'muster help node ls', does: 'all about one command' }],
  async run({ stdout, paint }, { args, flag }) {
    stdout.write(flag('markdown') ? await reference() : await helpOn(args, paint));
    return exitCodes.done;
  },
});

async function helpOn(words: readonly string[], paint: Parameters<typeof renderHelp>[1]): Promise<string> {
  if (words.length === 0) return renderOverview('', paint);
  const found = findCommand(words);
  if (found.kind === 'group') return renderOverview(found.group, paint);
  return (await loadCommands([found.path])).map((command) => renderHelp(command, paint)).join('');
}

async function reference(): Promise<string> {
  const { renderReference } = await import('../reference.ts');
  return renderReference(await loadCommands(commandPaths));
}
