/** What takes two columns of a terminal: East Asian wide characters and pictures (Unicode's UAX 11, in ranges). */
const wide: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x23e9, 0x23f3],
  [0x2614, 0x2615],
  [0x26aa, 0x26ab],
  [0x2705, 0x2705],
  [0x274c, 0x274c],
  [0x2753, 0x2757],
  [0x2b1b, 0x2b55],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f004, 0x1f2ff],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f7e0, 0x1f7f0],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];

/** How many columns of a terminal a text takes. */
export function textWidth(text: string): number {
  // Most text is ASCII: nothing of it has to be looked up.
  if (/^[ -~]*$/.test(text)) return text.length;
  return Array.from(text).reduce((sum, letter) => sum + letterWidth(letter), 0);
}

/** At most so many columns of a text; what is cut off is marked. */
export function cut(text: string, limit: number): string {
  if (textWidth(text) <= limit) return text;
  let kept = '';
  let used = 0;
  for (const letter of text) {
    used += letterWidth(letter);
    if (used > limit - 1) break;
    kept += letter;
  }
  return limit < 1 ? '' : `${kept}…`;
}

/** Marks that go onto the letter before them take none. */
function letterWidth(letter: string): 0 | 1 | 2 {
  const code = letter.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^[\p{Mn}\p{Me}]/u.test(letter)) return 0;
  return wide.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}
