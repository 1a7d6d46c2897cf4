import { join } from 'node:path';
import { ensureBaseTree } from '../../test/lab/base-tree.ts';
import { withHostLock } from '../../test/lab/host-lock.ts';
import { cacheRoot } from '../../test/lab/paths.ts';
import { installPackages } from './apt.mjs';
import { buildExecutable, verifyReproducible } from './build-executable.ts';
import { type CommandOptions, interruption } from './children.ts';
import { runCheck } from './run-check.ts';
import { runSuite, type Share, type Suite, suites, type Totals } from './suites.ts';

/** A step of `npm test` with a line of its own in the table at the end. */
export interface Part {
  readonly name: string;
  readonly budgetSeconds: number;
  /** Where it fails, nothing after it can be run. */
  readonly isNeeded?: boolean;
  readonly run: (options: CommandOptions) => Promise<Totals>;
}

/** What a part came to. */
export interface PartResult extends Totals {
  readonly name: string;
  readonly seconds: number;
  readonly budgetSeconds: number;
}

/** Lanes run side by side, the parts of a lane one after the other; the next stage begins when all lanes have ended. */
export type Stage = readonly (readonly Part[])[];

/** What of `npm test` shall run. */
export interface Choice {
  /** One suite; else all but those on demand. */
  readonly suite?: string | undefined;
  readonly pattern?: string | undefined;
  /** One part at a time, for a machine of which others take their share. */
  readonly oneByOne: boolean;
}

const oneDone: Totals = { passed: 1, failed: 0, skipped: 0, output: '' };
/** Suites that boot the built executable. */
const withBuild: readonly string[] = ['lab', 'chaos', 'reliability'];
/** Suites that boot machines. What these are made from is made before: no test has time for it. */
const withMachines: readonly string[] = ['contract', ...withBuild];

/** What mostly waits, in lanes; whatever isn't named here keeps all CPUs busy, and runs before them by itself. */
const waiting: readonly (readonly { readonly suite: string; readonly share?: Share }[])[] = [
  [{ suite: 'lab', share: { at: 1, of: 2 } }],
  [{ suite: 'lab', share: { at: 2, of: 2 } }],
  [{ suite: 'contract' }, { suite: 'soak' }, { suite: 'chaos' }],
];

/** The stages of what is chosen. */
export function makeStages(choice: Choice): Stage[] {
  const { suite: only, pattern, oneByOne } = choice;
  const chosen = suites.filter(({ name, onDemand }) =>
    only === undefined ? name !== 'unit' && onDemand !== true : name === only,
  );
  if (chosen.length === 0) {
    throw new Error(`Cannot run suite "${only}": expected one of ${suites.map((suite) => suite.name).join(', ')}`);
  }
  const check = { name: 'check', budgetSeconds: 60, run: async () => runCheck() };
  const first = [...(only === undefined ? [check] : []), ...makePreparation(chosen)];
  if (only !== undefined || oneByOne) return alone([...first, ...chosen.map((suite) => makePart(suite, pattern))]);
  const waitingNames = new Set(waiting.flat().map(({ suite }) => suite));
  const busy = chosen.filter(({ name }) => !waitingNames.has(name)).map((suite) => makePart(suite, pattern));
  const lanes = waiting.map((lane) =>
    lane.flatMap(({ suite: name, share }) =>
      chosen.filter((suite) => suite.name === name).map((suite) => makePart(suite, pattern, share)),
    ),
  );
  return [...alone([...first, ...busy]), lanes];
}

function alone(parts: readonly Part[]): Stage[] {
  return parts.map((part) => [[part]]);
}

function makePart(suite: Suite, pattern: string | undefined, share?: Share): Part {
  return {
    name: share === undefined ? suite.name : `${suite.name} ${share.at}/${share.of}`,
    budgetSeconds: suite.budgetSeconds / (share?.of ?? 1),
    run: async (options) => runSuite(suite, { pattern, share }, options),
  };
}

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
    ...(packages.length > 0 ? [{ name: 'packages', budgetSeconds: 300, isNeeded: true, run: install }] : []),
    ...(needs(withMachines) && process.getuid?.() === 0
      ? [{ name: 'machines', budgetSeconds: 180, isNeeded: true, run: makeTree }]
      : []),
    ...(needs(withBuild) ? [{ name: 'build', budgetSeconds: 60, isNeeded: true, run: build }] : []),
  ];
}

/** Runs the stages in order and returns what each part came to; ends early where a part that is needed fails, or on a signal. */
export async function runStages(stages: readonly Stage[]): Promise<PartResult[]> {
  const results: PartResult[] = [];
  for (const lanes of stages) {
    const runLane = async (lane: readonly Part[]) => {
      for (const part of lane) {
        if (interruption() !== undefined) return;
        results.push(await runPart(part, lanes.length > 1 ? prefixed(part.name) : { stdio: 'inherit' }));
      }
    };
    await Promise.all(lanes.map(runLane));
    const ended = new Set(results.filter(({ failed }) => failed > 0).map(({ name }) => name));
    if (lanes.flat().some(({ name, isNeeded }) => isNeeded === true && ended.has(name))) break;
  }
  return results;
}

function prefixed(name: string): CommandOptions {
  return { stdio: 'pipe', onLine: (line) => process.stdout.write(`${name} │ ${line}\n`) };
}

async function runPart(part: Part, options: CommandOptions): Promise<PartResult> {
  process.stdout.write(`\n== ${part.name}\n`);
  const startedMs = performance.now();
  const totals = await part.run(options).catch((error: unknown): Totals => {
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return { ...oneDone, passed: 0, failed: 1 };
  });
  const seconds = (performance.now() - startedMs) / 1000;
  return { ...totals, name: part.name, seconds, budgetSeconds: part.budgetSeconds };
}
