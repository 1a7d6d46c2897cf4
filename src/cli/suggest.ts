import { nearMatch } from '../input/near-match.ts';

/** The known word that was probably meant: nearly the same, or else the one that begins so. */
export function suggestWord(typed: string, known: readonly string[]): string | undefined {
  return nearMatch(typed, known) ?? (typed.length >= 2 ? known.find((word) => word.startsWith(typed)) : undefined);
}
