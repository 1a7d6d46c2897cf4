import type { Context } from './context.ts';
import { type Cell, type Column, printable, renderTable } from './table.ts';

/** One JSON value for programs. */
export function printJson({ stdout }: Pick<Context, 'stdout'>, value: unknown): void {
  stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** A listing for people; `empty` is said where there is nothing to list. */
export function printTable(
  { stdout, paint }: Pick<Context, 'stdout' | 'paint'>,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  empty: string,
): void {
  stdout.write(rows.length === 0 ? `${empty}\n` : renderTable(columns, rows, { width: stdout.columns, paint }));
}

/** What the agent could not read or vouch for, beside an answer that is otherwise sound. */
export function printWarnings({ stderr }: Pick<Context, 'stderr'>, warnings: readonly string[]): void {
  for (const warning of warnings) stderr.write(`muster: warning: ${printable(warning)}\n`);
}

/** `label:   value` lines, aligned; those without a value are left out. */
export function printFields(
  { stdout, paint }: Pick<Context, 'stdout' | 'paint'>,
  fields: readonly (readonly [label: string, value: string | undefined])[],
): void {
  const width = Math.max(...fields.map(([label]) => label.length)) + 2;
  for (const [label, value] of fields) {
    if (value === undefined || value === '') continue;
    stdout.write(`${paint(`${label}:`.padEnd(width), 'dim')}${printable(value)}\n`);
  }
}
