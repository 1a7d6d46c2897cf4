// Runs the cases of bench/cases in order of their names: all, or those named. Results go to standard output as they
// come, one JSON object a line or one line of a table; progress goes to standard error.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pinnedNode, root } from '../scripts/lib/paths.ts';
import type { BenchCase, BenchContext, Result } from './lib/bench-case.ts';
import { SharedLab } from './lib/shared-lab.ts';

const columns = [
  { title: 'name', width: -18, of: (result: Result) => result.name },
  { title: 'value', width: 12, of: (result: Result) => result.value.toFixed(2) },
  { title: 'baseline', width: 12, of: (result: Result) => result.baseline.toFixed(2) },
  { title: 'unit', width: 8, of: (result: Result) => result.unit },
  { title: 'ratio', width: 8, of: (result: Result) => result.ratio.toFixed(2) },
  { title: 'n', width: 6, of: (result: Result) => `${result.n}` },
];

function formatRow(cells: readonly string[], last: string): string {
  const padded = cells.map((cell, index) => {
    const width = columns[index]?.width ?? 0;
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  });
  return `${padded.join('')}  ${last}`.trimEnd();
}

async function loadCases(names: readonly string[]): Promise<BenchCase[]> {
  const files = globSync('*.ts', { cwd: join(import.meta.dirname, 'cases') }).sort();
  const cases: BenchCase[] = [];
  for (const file of files) {
    const { benchCase } = (await import(`./cases/${file}`)) as { benchCase: BenchCase };
    cases.push(benchCase);
  }
  const known = cases.map((each) => each.name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`Cannot measure "${unknown.join(', ')}": expected one of ${known.join(', ')}`);
  return names.length === 0 ? cases : cases.filter((each) => names.includes(each.name));
}

/** The results of a case as they come, whichever way it gives them. */
async function* runCase(each: BenchCase, context: BenchContext, signal: AbortSignal): AsyncGenerator<Result> {
  const results = each.run(context, signal);
  if (Symbol.asyncIterator in results) yield* results;
  else yield await results;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Measures the cases one after the other and prints each result; returns how many cases failed. */
async function measure(cases: readonly BenchCase[], lab: SharedLab, asJson: boolean, signal: AbortSignal) {
  const context: BenchContext = {
    executable: process.env['MUSTER_LAB_EXECUTABLE'] ?? join(root, 'dist', 'muster'),
    node: pinnedNode,
    lab: async () => lab.open(),
    say,
  };
  let failures = 0;
  for (const each of cases) {
    if (signal.aborted) break;
    say(`${each.name} ...`);
    try {
      for await (const result of runCase(each, context, signal)) {
        const line = asJson
          ? JSON.stringify(result)
          : formatRow(
              columns.map(({ of }) => of(result)),
              each.mustReach,
            );
        process.stdout.write(`${line}\n`);
      }
    } catch (error) {
      failures += 1;
      say(`${each.name} failed: ${explain(error)}`);
    }
    await lab.reset(); // a case that has failed must not spoil the next
  }
  return failures;
}

async function main(args: readonly string[]): Promise<number> {
  const asJson = args.includes('--json');
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => stop.abort(new Error(`interrupted by ${name}`)));
  }
  const cases = await loadCases(args.filter((arg) => arg !== '--json'));
  if (!asJson)
    process.stdout.write(
      `${formatRow(
        columns.map(({ title }) => title),
        'must reach',
      )}\n`,
    );
  const lab = new SharedLab(say);
  try {
    const failures = await measure(cases, lab, asJson, stop.signal);
    return failures === 0 && !stop.signal.aborted ? 0 : 1;
  } finally {
    await lab.close();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}
