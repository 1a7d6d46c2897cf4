// npm test [-- --one-by-one]: everything CI runs, each part against its time budget; what mostly waits runs side by side.
// npm test -- <suite> [pattern]: one suite, or those of its files (or else tests) whose name has the pattern.
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { interruption, passSignalsOn } from './lib/children.ts';
import { root } from './lib/paths.ts';
import { makeStages, type PartResult, runStages } from './lib/stages.ts';
import { budgetExcess } from './lib/suites.ts';

function judgeTime({ seconds, budgetSeconds }: PartResult): string {
  if (seconds > budgetSeconds * budgetExcess) return 'FAR OVER BUDGET';
  return seconds > budgetSeconds ? 'over budget' : '';
}

function printTable(results: readonly PartResult[]): void {
  const cells = results.map((result) => [
    result.name,
    `${result.passed}`,
    `${result.failed}`,
    `${result.skipped}`,
    result.seconds.toFixed(1),
    `${result.budgetSeconds}`,
    judgeTime(result),
  ]);
  process.stdout.write('\n');
  for (const [name = '', ...rest] of [['suite', 'passed', 'failed', 'skipped', 'seconds', 'budget', ''], ...cells]) {
    process.stdout.write(`${name.padEnd(10)}${rest.map((cell) => cell.padStart(9)).join('')}\n`.trimEnd().concat('\n'));
  }
}

/** Once more at the end, where whoever sees but the end of a long output looks. */
function printFailures(results: readonly PartResult[]): void {
  for (const { name: suite, failures = [] } of results) {
    for (const { name, file, reason } of failures) {
      const indented = reason.replaceAll(/^/gm, '    ');
      process.stdout.write(`\nFAILED in ${suite}: ${name}\n  ${relative(root, file)}\n${indented}\n`);
    }
  }
}

/** Prints the failures, the table and the totals, and returns the exit code. */
function conclude(results: readonly PartResult[], seconds: number): number {
  printFailures(results);
  printTable(results);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const tooSlow = results.filter((result) => judgeTime(result) === 'FAR OVER BUDGET' && result.failed === 0).length;
  const failed = results.reduce((sum, result) => sum + result.failed, 0) + tooSlow;
  if (interruption() !== undefined) process.stdout.write(`Interrupted by ${interruption()}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed, ${seconds.toFixed(0)} s\n`);
  return interruption() === undefined && failed === 0 ? 0 : 1;
}

passSignalsOn();
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'one-by-one': { type: 'boolean', default: false } },
  });
  const [suite, pattern] = positionals;
  const startedMs = performance.now();
  const results = await runStages(makeStages({ suite, pattern, oneByOne: values['one-by-one'] }));
  process.exitCode = conclude(results, (performance.now() - startedMs) / 1000);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
