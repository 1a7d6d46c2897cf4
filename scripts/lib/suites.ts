import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { hostPackages } from '../../test/lab/host-packages.ts';
import { type CommandOptions, runCommand } from './children.ts';
import { pinnedNode, root } from './paths.ts';
import type { Failure, Summary } from './summary-reporter.ts';

/** A folder of tests. */
export interface Suite {
  readonly name: string;
  readonly budgetSeconds: number;
  /** How many of its files run side by side, each in a process of its own; or one after the other in one process: they share the lab. */
  readonly filesAtOnce: number | 'one process';
  /** Run only when it's asked for by name. */
  readonly onDemand?: boolean;
  /** Debian packages that it needs on this machine. */
  readonly packages: readonly string[];
}

/** Which of a suite's files: each `of`-th, from the `at`-th on, which is at least 1. Without a unit. */
export interface Share {
  readonly at: number;
  readonly of: number;
}

/** What of a suite is run, where that's not all of it. */
export interface Selection {
  /** Those of its files whose name has it, or else those of its tests whose name has it. */
  readonly pattern?: string | undefined;
  readonly share?: Share | undefined;
}

/** How many tests there were, and what they printed if it was captured. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
  /** Which they were, where that's known. */
  readonly failures?: readonly Failure[];
}

const contractPackages = [
  'etcd-server',
  'openssl',
  'docker.io',
  'docker-registry',
  'busybox-static',
  'iproute2',
  'util-linux',
  'systemd-container',
  'debootstrap',
  'dbus',
  'prometheus',
];

/** Twice as many as a small machine has CPUs: tests wait for time to pass, too. */
const MANY = 4;
/** What judges by fractions of a second shares the machine with one other file that mostly waits. */
const PAIRS = 2;

/** The suites in the order in which they run one after the other; `unit` runs within the check, those on demand by name alone. */
export const suites: readonly Suite[] = [
  { name: 'unit', budgetSeconds: 50, filesAtOnce: MANY, packages: [] },
  { name: 'surface', budgetSeconds: 40, filesAtOnce: MANY, packages: ['zsh', 'fish', 'mandoc', 'groff', 'openssl'] },
  { name: 'fuzz', budgetSeconds: 25, filesAtOnce: MANY, packages: [] },
  { name: 'sim', budgetSeconds: 110, filesAtOnce: MANY, packages: [] },
  { name: 'soak', budgetSeconds: 45, filesAtOnce: MANY, packages: ['etcd-server'] },
  { name: 'contract', budgetSeconds: 180, filesAtOnce: PAIRS, packages: contractPackages },
  { name: 'lab', budgetSeconds: 1_200, filesAtOnce: 'one process', packages: hostPackages },
  { name: 'chaos', budgetSeconds: 220, filesAtOnce: 'one process', packages: hostPackages },
  { name: 'reliability', budgetSeconds: 300, filesAtOnce: 'one process', onDemand: true, packages: hostPackages },
];

/** How many times its budget a suite may take before it is stopped and fails. */
export const budgetExcess = 3;

/** Runs a suite, or what is selected of it. */
export async function runSuite(suite: Suite, selection: Selection, options: CommandOptions): Promise<Totals> {
  const { pattern, share = { at: 1, of: 1 } } = selection;
  const whole = globSync(`test/${suite.name}/**/*.test.ts`, { cwd: root }).sort();
  const all = whole.filter((_, at) => at % share.of === share.at - 1);
  const named = pattern === undefined ? all : all.filter((file) => basename(file).includes(pattern));
  const files = named.length > 0 ? named : all;
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, output: `test/${suite.name} has no tests\n` };
  const directory = mkdtempSync(join(tmpdir(), 'muster-test-'));
  try {
    const summary = join(directory, 'summary.json');
    const inOrder = suite.filesAtOnce === 'one process';
    const runner = inOrder ? [join(root, 'scripts', 'lib', 'run-in-order.ts')] : [];
    const command = [
      pinnedNode,
      '--disable-warning=ExperimentalWarning',
      ...(inOrder ? [] : ['--test', `--test-concurrency=${suite.filesAtOnce}`]),
      ...(pattern !== undefined && named.length === 0 ? [`--test-name-pattern=${pattern}`] : []),
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts', 'lib', 'summary-reporter.ts')}`,
      `--test-reporter-destination=${summary}`,
      ...runner,
      ...files,
    ];
    const limitMs = suite.budgetSeconds * budgetExcess * 1000;
    const { code, output, timedOut } = await runCommand(command, { limitMs, ...options });
    const counts = readSummary(summary);
    const stopped = timedOut ? `test/${suite.name} was stopped: it took ${budgetExcess} times its budget\n` : '';
    const failed = counts.failed === 0 && code !== 0 ? 1 : counts.failed;
    return { ...counts, failed, output: output + stopped };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function readSummary(file: string): Pick<Totals, 'passed' | 'failed' | 'skipped' | 'failures'> {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const { counts = {}, failures = [] } = (text === '' ? {} : JSON.parse(text)) as Partial<Summary>;
  const { passed = 0, failed = 0, cancelled = 0, skipped = 0 } = counts;
  return { passed, failed: failed + cancelled, skipped, failures };
}
