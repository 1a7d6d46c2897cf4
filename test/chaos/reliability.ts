// npm run reliability: makes the rows of the table in docs/reliability.md, all or those named; --quick: a few repetitions.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../scripts/lib/paths.ts';
import { Field } from './field.ts';
import { type MeasuredRow, writeMeasuredRows } from './reliability-doc.ts';
import type { Row, RowContext, RowLab } from './row.ts';
import { rows } from './rows.ts';
import { type SimRow, simRows } from './sim-rows.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, times: { type: 'string' } },
});

function choose<T extends { readonly name: string }>(all: readonly T[]): T[] {
  return positionals.length === 0 ? [...all] : all.filter(({ name }) => positionals.includes(name));
}

function checkNames(): void {
  const known = [...rows, ...simRows].map(({ name }) => name);
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`Cannot make row "${unknown.join(', ')}": expected one of ${known.join(', ')}`);
}

/** Rows that need the same lab, in order; each begins on a lab without work. */
async function runLabRows(lab: RowLab, chosen: readonly Row[], signal: AbortSignal): Promise<MeasuredRow[]> {
  await using field = await Field.open({ ...lab, name: 'reliability', progress: say });
  const measured: MeasuredRow[] = [];
  for (const [at, row] of chosen.entries()) {
    if (signal.aborted) break;
    if (at > 0) await field.clear();
    const { quick } = values;
    const times = Number(values.times ?? (quick ? row.times.quick : row.times.full));
    measured.push(await runRow(row, { field, times, quick, say, signal }));
  }
  return measured;
}

async function runRow(row: Row, context: RowContext): Promise<MeasuredRow> {
  say(`== ${row.name}: ${row.fault}, ${context.times} times`);
  try {
    const { failures, measured } = await row.run(context);
    for (const failure of failures) say(`FAILED: ${failure}`);
    if (failures.length > 0) await keepEvidence(row, context);
    return { ...row, measured, isGood: failures.length === 0 };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    say(`FAILED: ${text}`);
    await keepEvidence(row, context);
    return { ...row, measured: `could not be made: ${text.split('\n')[0]?.slice(0, 200)}`, isGood: false };
  }
}

/** What the work noted and what the machines' journals say, for whoever looks for the cause. */
async function keepEvidence({ name }: Row, { field }: RowContext): Promise<void> {
  const folder = join(tmpdir(), `muster-reliability-${name}-evidence`);
  await field.saveEvidence(folder);
  say(`evidence: ${folder}`);
}

async function runSimRow(row: SimRow, signal: AbortSignal): Promise<MeasuredRow> {
  say(`== ${row.name}: ${row.fault}`);
  const { measured, isGood } = await row.run(values.quick, signal);
  return { ...row, measured, isGood };
}

async function main(): Promise<number> {
  checkNames();
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => stop.abort(new Error(`interrupted by ${name}`)));
  }
  const measured: MeasuredRow[] = [];
  const chosen = choose(rows).filter(({ times }) => !values.quick || times.quick > 0);
  for (const [key, some] of Map.groupBy(chosen, ({ lab }) => JSON.stringify(lab))) {
    if (!stop.signal.aborted) measured.push(...(await runLabRows(JSON.parse(key) as RowLab, some, stop.signal)));
  }
  for (const row of choose(simRows)) if (!stop.signal.aborted) measured.push(await runSimRow(row, stop.signal));
  say('');
  for (const { name, measured: text, isGood } of measured) say(`${isGood ? 'ok    ' : 'FAILED'} ${name}: ${text}`);
  if (!values.quick) writeMeasuredRows(join(root, 'docs', 'reliability.md'), measured);
  return measured.every(({ isGood }) => isGood) && !stop.signal.aborted ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
