import type { Context } from './context.ts';
import { type Cell, type Column, printable, renderTable } from './table.ts';

/** The version of every shape that `--json` prints: docs/json.md says what may change within it. */
export const jsonVersion = 'v1';

/** One JSON object for programs, with the version of its shape. */
export function printJson({ stdout }: Pick<Context, 'stdout'>, value: object): void {
  stdout.write(`${JSON.stringify({ apiVersion: jsonVersion, ...value }, undefined, 2)}\n`);
}

/** One of many, on a line of its own: of what goes on. */
export function printJsonLine({ stdout }: Pick<Context, 'stdout'>, value: object): void {
  stdout.write(`${JSON.stringify({ apiVersion: jsonVersion, ...value })}\n`);
}

/** Names alone, one a line: what `--quiet` leaves of a listing. */
export function printNames({ stdout }: Pick<Context, 'stdout'>, names: readonly string[]): void {
  for (const name of new Set(names)) stdout.write(`${printable(name)}\n`);
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
