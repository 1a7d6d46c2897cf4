import { commandPaths } from './commands.ts';
import type { Paint } from './context.ts';
import { findCommand } from './find-command.ts';
import { loadCommands, renderHelp, renderOverview } from './help.ts';
import { renderManPage } from './man-page.ts';
import { renderReference } from './reference.ts';

/** Help on what these words name: a command, a group of commands, or with no words all. */
export async function helpOn(words: readonly string[], paint: Paint): Promise<string> {
  if (words.length === 0) return renderOverview('', paint);
  const found = findCommand(words);
  if (found.kind === 'group') return renderOverview(found.group, paint);
  return (await loadCommands([found.path])).map((command) => renderHelp(command, paint)).join('');
}

/** The man page of all commands, in roff. */
export async function manPage(): Promise<string> {
  return renderManPage(await loadCommands(commandPaths));
}

/** The reference of all commands, in Markdown. */
export async function reference(): Promise<string> {
  return renderReference(await loadCommands(commandPaths));
}
