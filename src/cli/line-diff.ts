/** A line of a text that changed. */
export interface DiffLine {
  readonly mark: ' ' | '+' | '-';
  readonly text: string;
}

/** Comparing more than this, line by line with line, isn't worth its time. */
const MOST_PAIRS = 4_000_000;

/** Lines around a change that are shown with it. */
const CONTEXT_LINES = 2;

/** What differs between two texts, with a few lines around it; undefined where they are too long to compare. */
export function diffLines(before: string, after: string): DiffLine[] | undefined {
  const [a, b] = [linesOf(before), linesOf(after)];
  if (a.length * b.length > MOST_PAIRS) return undefined;
  return nearChanges(walk(a, b, commonLengths(a, b)));
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

/** Of what follows each pair of lines: how many lines both have in common, in this order. */
function commonLengths(a: readonly string[], b: readonly string[]): Uint32Array[] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = lengths[i] as Uint32Array;
      row[j] = a[i] === b[j] ? 1 + at(lengths, i + 1, j + 1) : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
    }
  }
  return lengths;
}

function walk(a: readonly string[], b: readonly string[], lengths: readonly Uint32Array[]): DiffLine[] {
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]];
    if (x !== undefined && x === y) {
      lines.push({ mark: ' ', text: x });
      i += 1;
      j += 1;
    } else if (x !== undefined && (y === undefined || at(lengths, i + 1, j) >= at(lengths, i, j + 1))) {
      lines.push({ mark: '-', text: x });
      i += 1;
    } else {
      lines.push({ mark: '+', text: y ?? '' });
      j += 1;
    }
  }
  return lines;
}

function at(lengths: readonly Uint32Array[], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0;
}

function nearChanges(lines: readonly DiffLine[]): DiffLine[] {
  const near = lines.map((_, index) => {
    const around = lines.slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1);
    return around.some(({ mark }) => mark !== ' ');
  });
  return lines.flatMap((line, index) => {
    if (near[index] === true) return [line];
    return near[index - 1] === true ? [{ mark: ' ' as const, text: '…' }] : [];
  });
}
