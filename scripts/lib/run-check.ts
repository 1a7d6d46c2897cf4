import { runCommand } from './children.ts';
import { toolPath } from './paths.ts';
import { runSuite, type Suite, suites, type Totals } from './suites.ts';
import type { Failure } from './summary-reporter.ts';

interface Step {
  readonly name: string;
  readonly run: () => Promise<Totals>;
}

function commandStep(name: string, ...commands: readonly string[][]): Step {
  const run = async (): Promise<Totals> => {
    const outcomes = await Promise.all(commands.map(async (command) => runCommand(command, { stdio: 'pipe' })));
    const failed = outcomes.some((outcome) => outcome.code !== 0);
    const output = outcomes.map((outcome) => (outcome.code === 0 ? '' : outcome.output)).join('');
    return { passed: failed ? 0 : 1, failed: failed ? 1 : 0, skipped: 0, output };
  };
  return { name, run };
}

function makeSteps(pattern: string | undefined): Step[] {
  const colors = process.stdout.isTTY ? 'force' : 'off';
  const unit = suites.find((suite): suite is Suite => suite.name === 'unit');
  return [
    commandStep('format and lint', [toolPath('biome'), 'ci', `--colors=${colors}`, '.']),
    commandStep('lint with types', [toolPath('oxlint'), '--type-aware', '--deny-warnings', '.']),
    commandStep('types', [toolPath('tsc'), '-p', '.', ...(process.stdout.isTTY ? ['--pretty'] : [])]),
    ...(unit === undefined
      ? []
      : [{ name: 'unit tests', run: async () => runSuite(unit, { pattern }, { stdio: 'pipe' }) }]),
  ];
}

/** Runs every step of the check at once, prints each in order, and sums them up: a step that is no test counts as one. */
export async function runCheck(pattern?: string): Promise<Totals> {
  const startedMs = performance.now();
  const steps = makeSteps(pattern).map((step) => ({ name: step.name, result: step.run() }));
  let [passed, failed, skipped] = [0, 0, 0];
  const failures: Failure[] = [];
  for (const { name, result } of steps) {
    const totals = await result;
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (totals.failed > 0) process.stdout.write(totals.output);
    process.stdout.write(`${totals.failed > 0 ? 'FAILED' : 'ok'}  ${name} (${seconds} s)\n`);
    passed += totals.passed;
    failed += totals.failed;
    skipped += totals.skipped;
    failures.push(...(totals.failures ?? []));
  }
  return { passed, failed, skipped, output: '', failures };
}
