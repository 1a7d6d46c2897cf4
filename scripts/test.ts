// npm test: everything CI runs, one suite after the other, each against its time budget.
// npm test -- <suite> [pattern]: one suite, or those of its files (or else tests) whose name has the pattern.
import { join, relative } from 'node:path';
import { ensureBaseTree } from '../test/lab/base-tree.ts';
import { withHostLock } from '../test/lab/host-lock.ts';
import { cacheRoot } from '../test/lab/paths.ts';
import { installPackages } from './lib/apt.mjs';
import { buildExecutable, verifyReproducible } from './lib/build-executable.ts';
import { interruption, passSignalsOn } from './lib/children.ts';
import { root } from './lib/paths.ts';
import { runCheck } from './lib/run-check.ts';
import { budgetExcess, runSuite, type Suite, suites, type Totals } from './lib/suites.ts';

interface Part {
  readonly name: string;
  readonly budgetSeconds: number;
  readonly run: () => Promise<Totals>;
}

interface Row extends Totals {
  readonly name: string;
  readonly seconds: number;
  readonly budgetSeconds: number;
}

const oneDone: Totals = { passed: 1, failed: 0, skipped: 0, output: '' };
/** Suites that boot the built executable. */
const withBuild: readonly string[] = ['lab', 'chaos', 'reliability'];
/** Suites that boot machines. What these are made from is made before: no test has time for it. */
const withMachines: readonly string[] = ['contract', ...withBuild];

function makePreparation(chosen: readonly Suite[]): Part[] {
  const packages = [...new Set(chosen.flatMap((suite) => suite.packages))];
  const needs = (names: readonly string[]) => chosen.some((suite) => names.includes(suite.name));
  const install = async () => installPackages(packages).then(() => oneDone);
  const makeTree = async () => {
    const say = (line: string) => process.stdout.write(`${line}\n`);
    return withHostLock(join(cacheRoot, 'lock'), async () => ensureBaseTree('3.4', say)).then(() => oneDone);
  };
  const build = async () =>
    buildExecutable()
      .then(verifyReproducible)
      .then(() => oneDone);
  return [
    ...(packages.length > 0 ? [{ name: 'packages', budgetSeconds: 300, run: install }] : []),
    ...(needs(withMachines) && process.getuid?.() === 0
      ? [{ name: 'machines', budgetSeconds: 180, run: makeTree }]
      : []),
    ...(needs(withBuild) ? [{ name: 'build', budgetSeconds: 60, run: build }] : []),
  ];
}

function makeParts(only: string | undefined, pattern: string | undefined): Part[] {
  const chosen = suites.filter((suite) =>
    only === undefined ? suite.name !== 'unit' && suite.onDemand !== true : suite.name === only,
  );
  if (chosen.length === 0) {
    throw new Error(`Cannot run suite "${only}": expected one of ${suites.map((suite) => suite.name).join(', ')}`);
  }
  const check = { name: 'check', budgetSeconds: 60, run: async () => runCheck() };
  return [
    ...(only === undefined ? [check] : []),
    ...makePreparation(chosen),
    ...chosen.map((suite) => ({ ...suite, run: async () => runSuite(suite, pattern, { stdio: 'inherit' }) })),
  ];
}

async function runPart(part: Part): Promise<Row> {
  process.stdout.write(`\n== ${part.name}\n`);
  const startedMs = performance.now();
  const totals = await part.run().catch((error: unknown): Totals => {
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return { ...oneDone, passed: 0, failed: 1 };
  });
  return {
    ...totals,
    name: part.name,
    seconds: (performance.now() - startedMs) / 1000,
    budgetSeconds: part.budgetSeconds,
  };
}

function judgeTime({ seconds, budgetSeconds }: Row): string {
  if (seconds > budgetSeconds * budgetExcess) return 'FAR OVER BUDGET';
  return seconds > budgetSeconds ? 'over budget' : '';
}

function printTable(rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    row.name,
    `${row.passed}`,
    `${row.failed}`,
    `${row.skipped}`,
    row.seconds.toFixed(1),
    `${row.budgetSeconds}`,
    judgeTime(row),
  ]);
  process.stdout.write('\n');
  for (const [name = '', ...rest] of [['suite', 'passed', 'failed', 'skipped', 'seconds', 'budget', ''], ...cells]) {
    process.stdout.write(`${name.padEnd(10)}${rest.map((cell) => cell.padStart(9)).join('')}\n`.trimEnd().concat('\n'));
  }
}

/** Runs the parts in order; what cannot be installed or built ends the run. */
async function runParts(parts: readonly Part[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of parts) {
    if (interruption() !== undefined) break;
    const row = await runPart(part);
    rows.push(row);
    if (row.failed > 0 && ['packages', 'machines', 'build'].includes(part.name)) break;
  }
  return rows;
}

/** Once more at the end, where whoever sees but the end of a long output looks. */
function printFailures(rows: readonly Row[]): void {
  for (const { name: suite, failures = [] } of rows) {
    for (const { name, file, reason } of failures) {
      const indented = reason.replaceAll(/^/gm, '    ');
      process.stdout.write(`\nFAILED in ${suite}: ${name}\n  ${relative(root, file)}\n${indented}\n`);
    }
  }
}

/** Prints the failures, the table and the totals, and returns the exit code. */
function conclude(rows: readonly Row[]): number {
  printFailures(rows);
  printTable(rows);
  const passed = rows.reduce((sum, row) => sum + row.passed, 0);
  const tooSlow = rows.filter((row) => judgeTime(row) === 'FAR OVER BUDGET' && row.failed === 0).length;
  const failed = rows.reduce((sum, row) => sum + row.failed, 0) + tooSlow;
  if (interruption() !== undefined) process.stdout.write(`Interrupted by ${interruption()}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return interruption() === undefined && failed === 0 ? 0 : 1;
}

passSignalsOn();
try {
  process.exitCode = conclude(await runParts(makeParts(process.argv[2], process.argv[3])));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
