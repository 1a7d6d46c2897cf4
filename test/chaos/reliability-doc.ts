import { readFileSync, writeFileSync } from 'node:fs';

/** A row of the table as it was measured. */
export interface MeasuredRow {
  readonly name: string;
  readonly fault: string;
  readonly mustShow: string;
  readonly measured: string;
  readonly isGood: boolean;
}

const notYet = 'not yet measured';

/** Replaces what the document says was measured of these rows; the others stay as they are. */
export function writeMeasuredRows(file: string, measured: readonly MeasuredRow[]): void {
  writeFileSync(file, replaceMeasuredRows(readFileSync(file, 'utf8'), measured));
}

/** The document's text with these rows' figures. A row's line begins with its name; it throws where there's none. */
export function replaceMeasuredRows(text: string, measured: readonly MeasuredRow[]): string {
  return measured.reduce((said, row) => {
    const line = new RegExp(`^\\| \`${row.name}\` \\|.*$`, 'm');
    if (!line.test(said)) throw new Error(`Cannot write row "${row.name}": expected a line for it in the table`);
    return said.replace(line, () => formatRow(row));
  }, text);
}

/** The line of a row; without figures while there are none. */
export function formatRow(row: Omit<MeasuredRow, 'measured' | 'isGood'> & Partial<MeasuredRow>): string {
  const verdict = row.isGood === false ? '**not kept:** ' : '';
  return `| \`${row.name}\` | ${row.fault} | ${row.mustShow} | ${verdict}${row.measured ?? notYet} |`;
}
