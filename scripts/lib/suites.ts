import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { hostPackages } from '../../test/lab/host-packages.ts';
import { type CommandOptions, runCommand } from './children.ts';
import { pinnedNode, root } from './paths.ts';

/** A folder of tests. */
export interface Suite {
  readonly name: string;
  readonly budgetSeconds: number;
  /** One process for all files, one after the other: they share the lab. */
  readonly oneProcess: boolean;
  /** Run only when it's asked for by name. */
  readonly onDemand?: boolean;
  /** Debian packages that it needs on this machine. */
  readonly packages: readonly string[];
}

/** How many tests there were, and what they printed if it was captured. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
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
  'dbus',
  'prometheus',
];

/** The suites in the order in which `npm test` runs them; `unit` runs within the check, those on demand by name alone. */
export const suites: readonly Suite[] = [
  { name: 'unit', budgetSeconds: 50, oneProcess: false, packages: [] },
  { name: 'surface', budgetSeconds: 90, oneProcess: false, packages: ['zsh', 'fish', 'mandoc', 'groff', 'openssl'] },
  { name: 'fuzz', budgetSeconds: 60, oneProcess: false, packages: [] },
  { name: 'sim', budgetSeconds: 120, oneProcess: false, packages: [] },
  { name: 'soak', budgetSeconds: 90, oneProcess: false, packages: ['etcd-server'] },
  { name: 'contract', budgetSeconds: 180, oneProcess: true, packages: contractPackages },
  { name: 'lab', budgetSeconds: 1_000, oneProcess: true, packages: hostPackages },
  { name: 'chaos', budgetSeconds: 300, oneProcess: true, packages: hostPackages },
  { name: 'reliability', budgetSeconds: 300, oneProcess: true, onDemand: true, packages: hostPackages },
];

/** Twice as many as a small machine has CPUs: tests wait for time to pass, too. */
const FILES_AT_ONCE = 4;

/** How many times its budget a suite may take before it is stopped and fails. */
export const budgetExcess = 3;

/** Runs a suite, or those of its files whose name has the pattern, or else those of its tests whose name has it. */
export async function runSuite(suite: Suite, pattern: string | undefined, options: CommandOptions): Promise<Totals> {
  const all = globSync(`test/${suite.name}/**/*.test.ts`, { cwd: root }).sort();
  const named = pattern === undefined ? all : all.filter((file) => basename(file).includes(pattern));
  const files = named.length > 0 ? named : all;
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, output: `test/${suite.name} has no tests\n` };
  const directory = mkdtempSync(join(tmpdir(), 'muster-test-'));
  try {
    const summary = join(directory, 'summary.json');
    const runner = suite.oneProcess ? [join(root, 'scripts', 'lib', 'run-in-order.ts')] : [];
    const command = [
      pinnedNode,
      '--disable-warning=ExperimentalWarning',
      ...(suite.oneProcess ? [] : ['--test', `--test-concurrency=${FILES_AT_ONCE}`]),
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
    const counts = readCounts(summary);
    const stopped = timedOut ? `test/${suite.name} was stopped: it took ${budgetExcess} times its budget\n` : '';
    const failed = counts.failed === 0 && code !== 0 ? 1 : counts.failed;
    return { ...counts, failed, output: output + stopped };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function readCounts(file: string): { passed: number; failed: number; skipped: number } {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const counts = (text === '' ? {} : JSON.parse(text)) as Partial<
    Record<'passed' | 'failed' | 'cancelled' | 'skipped', number>
  >;
  const { passed = 0, failed = 0, cancelled = 0, skipped = 0 } = counts;
  return { passed, failed: failed + cancelled, skipped };
}
