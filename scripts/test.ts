// npm test: everything CI runs, one suite after the other, each against its time budget.
// npm test -- <suite> [pattern]: one suite, or those of its files (or else tests) whose name has the pattern.
import { ensureHostPackages } from '../test/lab/host-packages.ts';
import { buildExecutable } from './lib/build-executable.ts';
import { interruption, passSignalsOn } from './lib/children.ts';
import { runCheck } from './lib/run-check.ts';
import { budgetExcess, runSuite, suites, type Totals } from './lib/suites.ts';

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

function makeParts(only: string | undefined, pattern: string | undefined): Part[] {
  const suiteParts = suites.map(
    (suite): Part => ({ ...suite, run: async () => runSuite(suite, pattern, { stdio: 'inherit' }) }),
  );
  const preparation: Part[] = [
    { name: 'check', budgetSeconds: 60, run: async () => runCheck() },
    { name: 'packages', budgetSeconds: 300, run: async () => ensureHostPackages().then(() => oneDone) },
    { name: 'build', budgetSeconds: 60, run: async () => buildExecutable().then(() => oneDone) },
  ];
  if (only === undefined) return [...preparation, ...suiteParts.filter((part) => part.name !== 'unit')];
  const chosen = suiteParts.filter((part) => part.name === only);
  if (chosen.length === 0)
    throw new Error(`Cannot run suite "${only}": expected one of ${suites.map((s) => s.name).join(', ')}`);
  const needed = { contract: ['packages'], lab: ['packages', 'build'] }[only] ?? [];
  return [...preparation.filter((part) => needed.includes(part.name)), ...chosen];
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

passSignalsOn();
const rows: Row[] = [];
for (const part of makeParts(process.argv[2], process.argv[3])) {
  if (interruption() !== undefined) break;
  const row = await runPart(part);
  rows.push(row);
  const blocksTheRest = part.name === 'packages' || part.name === 'build';
  if (blocksTheRest && row.failed > 0) break;
}
printTable(rows);
const passed = rows.reduce((sum, row) => sum + row.passed, 0);
const tooSlow = rows.filter((row) => judgeTime(row) === 'FAR OVER BUDGET' && row.failed === 0).length;
const failed = rows.reduce((sum, row) => sum + row.failed, 0) + tooSlow;
if (interruption() !== undefined) process.stdout.write(`Interrupted by ${interruption()}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = interruption() === undefined && failed === 0 ? 0 : 1;
