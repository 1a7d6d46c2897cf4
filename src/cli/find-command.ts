import { type CommandPath, commandPaths } from './commands.ts';
import { Misuse } from './misuse.ts';
import { suggestWord } from './suggest.ts';

/** Which command an argv calls, or the group of commands that its word names (`node`; '' for none at all). */
export type Found =
  | { readonly kind: 'command'; readonly path: CommandPath; readonly rest: readonly string[] }
  | { readonly kind: 'group'; readonly group: string };

/** Finds the command by its first words; a mistyped one is a {@link Misuse} that suggests the near one. */
export function findCommand(words: readonly string[]): Found {
  const first = words[0];
  if (first === undefined || first.startsWith('-')) return { kind: 'group', group: '' };
  const two = `${first} ${words[1] ?? ''}`;
  for (const path of commandPaths) {
    if (path === two) return { kind: 'command', path, rest: words.slice(2) };
  }
  for (const path of commandPaths) {
    if (path === first) return { kind: 'command', path, rest: words.slice(1) };
  }
  const isGroup = commandPaths.some((path) => path.startsWith(`${first} `));
  if (isGroup && (words[1] === undefined || words[1].startsWith('-'))) return { kind: 'group', group: first };
  throw unknownCommand(isGroup ? two : first);
}

function unknownCommand(typed: string): Misuse {
  const firstWords = commandPaths.map((path) => path.split(' ')[0] ?? path);
  const near = suggestWord(typed, typed.includes(' ') ? commandPaths : [...new Set(firstWords)]);
  const hint = near === undefined ? 'muster help lists the commands' : `did you mean "muster ${near}"?`;
  return new Misuse(`Cannot run "muster ${typed}": there is no such command`, hint);
}
