import { aliases } from './aliases.ts';
import { type CommandPath, commandPaths } from './commands.ts';
import { Misuse } from './misuse.ts';
import { suggestWord } from './suggest.ts';

/** Which command an argv calls, or the group of commands that its word names (`node`; '' for none at all). */
export type Found =
  | { readonly kind: 'command'; readonly path: CommandPath; readonly rest: readonly string[] }
  | { readonly kind: 'group'; readonly group: string };

/** What may be typed, the commands' own words first. */
const allWords: readonly string[] = [...commandPaths, ...Object.keys(aliases)];

/** As many words call a command at most. */
const MOST_WORDS = 3;

/** Finds the command by its first words; a mistyped one is a {@link Misuse} that suggests the near one. */
export function findCommand(words: readonly string[]): Found {
  const first = words[0];
  if (first === undefined || first.startsWith('-')) return { kind: 'group', group: '' };
  for (let count = Math.min(MOST_WORDS, words.length); count > 0; count -= 1) {
    const typed = words.slice(0, count).join(' ');
    const path =
      commandPaths.find((each) => each === typed) ?? (Object.hasOwn(aliases, typed) ? aliases[typed] : undefined);
    if (path !== undefined) return { kind: 'command', path, rest: words.slice(count) };
    const next = words[count];
    const isAlone = next === undefined || next.startsWith('-');
    if (isAlone && allWords.some((each) => each.startsWith(`${typed} `))) return { kind: 'group', group: typed };
  }
  const isGroup = (count: number) => allWords.some((path) => path.startsWith(`${words.slice(0, count).join(' ')} `));
  throw unknownCommand(words.slice(0, isGroup(2) ? 3 : isGroup(1) ? 2 : 1).join(' '));
}

function unknownCommand(typed: string): Misuse {
  const firstWords = allWords.map((path) => path.split(' ')[0] ?? path);
  const near = suggestWord(typed, typed.includes(' ') ? allWords : [...new Set(firstWords)]);
  const hint = near === undefined ? 'muster help lists the commands' : `did you mean "muster ${near}"?`;
  return new Misuse(`Cannot run "muster ${typed}": there is no such command`, hint);
}
