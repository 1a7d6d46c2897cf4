/** The end of a matched class, or -1 where it doesn't match, or is no class at all. */
interface ClassEnd {
  readonly matched: boolean;
  readonly next: number;
}

/**
 * Go's path.Match, as fleet's options use it: `*` and `?` don't match a slash, `[a-z]` and `[^a-z]` are classes, a backslash
 * takes the next character as it is, and all of the name must match. A malformed pattern matches nothing.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  let at = 0;
  let inName = 0;
  let starAt = -1;
  let starName = 0;
  while (inName < name.length || at < pattern.length) {
    const next = at < pattern.length ? matchOne(pattern, at, name, inName) : undefined;
    if (next === 'star') {
      starAt = at;
      starName = inName;
      at += 1;
      continue;
    }
    if (next === 'malformed') return false;
    if (next !== undefined) {
      at = next;
      inName += 1;
      continue;
    }
    // Not here: let the last star take one character more.
    if (starAt < 0 || starName >= name.length || name[starName] === '/') return false;
    starName += 1;
    inName = starName;
    at = starAt + 1;
  }
  return true;
}

/** Where the pattern goes on after matching one character of the name; undefined: no match here. */
function matchOne(
  pattern: string,
  at: number,
  name: string,
  inName: number,
): number | 'star' | 'malformed' | undefined {
  const char = name[inName];
  switch (pattern[at]) {
    case '*':
      return 'star';
    case '?':
      return char === undefined || char === '/' ? undefined : at + 1;
    case '[': {
      const end = matchClass(pattern, at + 1, char ?? '');
      if (end === undefined) return 'malformed';
      return end.matched && char !== undefined ? end.next : undefined;
    }
    case '\\':
      if (at + 1 >= pattern.length) return 'malformed';
      return pattern[at + 1] === char ? at + 2 : undefined;
    default:
      return pattern[at] === char ? at + 1 : undefined;
  }
}

/** Matches one character against the class that begins after `[`; undefined when the class is malformed. */
function matchClass(pattern: string, begin: number, char: string): ClassEnd | undefined {
  let at = begin;
  const negated = pattern[at] === '^';
  if (negated) at += 1;
  let matched = false;
  for (let ranges = 0; ; ranges += 1) {
    if (pattern[at] === ']' && ranges > 0) return { matched: matched !== negated, next: at + 1 };
    const low = readClassChar(pattern, at);
    if (low === undefined) return undefined;
    at = low.next;
    let high = low;
    if (pattern[at] === '-') {
      const end = readClassChar(pattern, at + 1);
      if (end === undefined) return undefined;
      high = end;
      at = end.next;
    }
    if (char >= low.char && char <= high.char && char !== '') matched = true;
  }
}

function readClassChar(pattern: string, at: number): { readonly char: string; readonly next: number } | undefined {
  const char = pattern[at];
  if (char === undefined || char === '-' || char === ']') return undefined;
  if (char !== '\\') return at + 1 < pattern.length ? { char, next: at + 1 } : undefined;
  const escaped = pattern[at + 1];
  return escaped === undefined || at + 2 >= pattern.length ? undefined : { char: escaped, next: at + 2 };
}
