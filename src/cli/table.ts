import type { Paint, Tone } from './context.ts';
import { cut, textWidth } from './text-width.ts';

/** One field of a listing. */
export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/**
 * A column. When a terminal is too narrow, those that may shrink give way, widest first; where that isn't enough, spare ones are left
 * out, the highest number first.
 */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
  readonly shrinks?: boolean;
  readonly spare?: number;
}

const gap = '  ';
const narrowest = 8;

/** Lines of a listing under its titles, fitted to a terminal's width (undefined: not a terminal, nothing is cut). */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  look: { readonly width: number | undefined; readonly paint: Paint },
): string {
  const titles = columns.map(({ title }): Cell => ({ text: title, tone: 'dim' }));
  const clean = rows.map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) })));
  const kept = keepWhatFits(columns, naturalWidths(columns, clean), look.width);
  const pick = <T>(all: readonly T[]) => kept.flatMap((at) => all[at] ?? []);
  const shown = pick(columns);
  const widths = fit(shown, pick(naturalWidths(columns, clean)), look.width);
  return [titles, ...clean].map((row) => `${line(shown, pick(row), widths, look.paint)}\n`).join('');
}

function naturalWidths(columns: readonly Column[], rows: readonly (readonly Cell[])[]): number[] {
  return columns.map(({ title }, at) =>
    rows.reduce((most, row) => Math.max(most, textWidth(row[at]?.text ?? '')), textWidth(title)),
  );
}

/** Which columns are shown, by their place: all, but for spare ones that a narrow terminal has no room for. */
function keepWhatFits(columns: readonly Column[], natural: readonly number[], limit: number | undefined): number[] {
  let kept = columns.map((_, at) => at);
  const least = (at: number) => {
    const whole = natural[at] ?? 0;
    return columns[at]?.shrinks === true ? Math.min(whole, narrowest) : whole;
  };
  const spareOf = (at: number) => columns[at]?.spare ?? 0;
  for (;;) {
    const needed = kept.reduce((sum, at) => sum + least(at), gap.length * (kept.length - 1));
    const mostSpare = Math.max(...kept.map(spareOf));
    if (limit === undefined || needed <= limit || mostSpare === 0) return kept;
    kept = kept.filter((at) => spareOf(at) !== mostSpare);
  }
}

function line(columns: readonly Column[], row: readonly Cell[], widths: readonly number[], paint: Paint): string {
  const fields = columns.map(({ align }, at) => {
    const text = cut(row[at]?.text ?? '', widths[at] ?? 0);
    const space = ' '.repeat(Math.max(0, (widths[at] ?? 0) - textWidth(text)));
    const painted = paint(text, row[at]?.tone ?? 'plain');
    if (align === 'right') return space + painted;
    return at === columns.length - 1 ? painted : painted + space;
  });
  return fields.join(gap).trimEnd();
}

/** Widths that fit: first of columns that may shrink, and of all where even that isn't enough. */
function fit(columns: readonly Column[], natural: readonly number[], limit: number | undefined): number[] {
  const widths = [...natural];
  const over = () =>
    limit === undefined ? 0 : widths.reduce((sum, each) => sum + each, gap.length * (widths.length - 1)) - limit;
  const give = (least: number, mayShrink: (at: number) => boolean) => {
    while (over() > 0) {
      const widest = widths.reduce<number | undefined>((best, width, at) => {
        if (!mayShrink(at) || width <= least) return best;
        return best === undefined || width > (widths[best] ?? 0) ? at : best;
      }, undefined);
      if (widest === undefined) return;
      widths[widest] = (widths[widest] ?? 0) - 1;
    }
  };
  give(narrowest, (at) => columns[at]?.shrinks === true);
  give(1, () => true);
  return widths;
}

/** Text from elsewhere without what could move the cursor or change the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}
