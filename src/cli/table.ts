import type { Paint, Tone } from './context.ts';

/** One field of a listing. */
export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/** A column; those that may shrink give way, widest first, when a terminal is too narrow. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
  readonly shrinks?: boolean;
}

const gap = '  ';
const narrowest = 8;

/** Lines of a listing under its titles, fitted to a terminal's width (undefined: not a terminal, nothing is cut). */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  look: { readonly width: number | undefined; readonly paint: Paint },
): string {
  const clean = rows.map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) })));
  const natural = columns.map(({ title }, at) =>
    Math.max(title.length, ...clean.map((row) => width(row[at]?.text ?? ''))),
  );
  const widths = fit(columns, natural, look.width);
  const titles = columns.map(({ title }): Cell => ({ text: title, tone: 'dim' }));
  return [titles, ...clean].map((row) => `${line(columns, row, widths, look.paint)}\n`).join('');
}

function line(columns: readonly Column[], row: readonly Cell[], widths: readonly number[], paint: Paint): string {
  const fields = columns.map(({ align }, at) => {
    const text = cut(row[at]?.text ?? '', widths[at] ?? 0);
    const space = ' '.repeat(Math.max(0, (widths[at] ?? 0) - width(text)));
    const painted = paint(text, row[at]?.tone ?? 'plain');
    if (align === 'right') return space + painted;
    return at === columns.length - 1 ? painted : painted + space;
  });
  return fields.join(gap).trimEnd();
}

function fit(columns: readonly Column[], natural: readonly number[], limit: number | undefined): number[] {
  const widths = [...natural];
  let over =
    limit === undefined ? 0 : widths.reduce((sum, each) => sum + each, gap.length * (widths.length - 1)) - limit;
  for (; over > 0; over -= 1) {
    const widest = columns.reduce<number | undefined>((best, { shrinks }, at) => {
      if (shrinks !== true || (widths[at] ?? 0) <= narrowest) return best;
      return best === undefined || (widths[at] ?? 0) > (widths[best] ?? 0) ? at : best;
    }, undefined);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** At most so many characters; what is cut off is marked. */
export function cut(text: string, limit: number): string {
  const letters = Array.from(text);
  return letters.length <= limit ? text : `${letters.slice(0, Math.max(0, limit - 1)).join('')}…`;
}

/** Text from elsewhere without what could move the cursor or change the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}

function width(text: string): number {
  return Array.from(text).length;
}
