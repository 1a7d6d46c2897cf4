import type { InstanceRow } from '../../src/wire/answers.ts';
import { aliveRuns, nowMs } from '../lab/checker/run-log.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { eventually } from '../support/eventually.ts';
import type { Field } from './field.ts';

/** How many copies of each workload there are to be. */
export type Expected = ReadonlyMap<string, number>;

/**
 * Everything in which the cluster isn't yet as desired: by what it says itself, by what systemd and dockerd show, and by what the
 * work itself notes. Empty once it has converged.
 */
export async function findDifferences(field: Field, expected: Expected, on?: LabNode): Promise<string[]> {
  const isOff = new Set(field.nodes.filter((node) => !node.isOn).map(({ name }) => name));
  // What a machine without power ran is remembered until it's back, once it was replaced.
  const isLeftBehind = ({ role, phase, node }: InstanceRow) =>
    role === 'superseded' && phase === 'lost' && isOff.has(node?.hostname ?? '');
  const rows = (await field.cluster.rows(undefined, on)).filter((row) => !isLeftBehind(row));
  return [
    ...differencesOfRows(rows, expected),
    ...(await differencesOfMachines(field, rows)),
    ...(await differencesOfRuns(field, rows)),
  ];
}

/** Waits until nothing differs, as this node's agent sees it, and returns how long that took. */
export async function awaitConverged(
  field: Field,
  expected: Expected,
  deadlineMs: number,
  on?: LabNode,
): Promise<number> {
  const beganMs = performance.now();
  await eventually(
    'everything as desired',
    deadlineMs,
    async () => {
      const differences = await findDifferences(field, expected, on);
      if (differences.length === 0) return true;
      const more = differences.length > 10 ? ` (and ${differences.length - 10} more)` : '';
      throw new Error(`${field.named(differences.slice(0, 10).join('; '))}${more}`);
    },
    500,
  );
  return performance.now() - beganMs;
}

function differencesOfRows(rows: readonly InstanceRow[], expected: Expected): string[] {
  const counts = Map.groupBy(rows, ({ workload }) => workload as string);
  const wrong = rows.filter(({ phase, role, healthy, upToDate }) => {
    return phase !== 'running' || role !== 'current' || !healthy || !upToDate;
  });
  const strange = [...counts.keys()].filter((name) => !expected.has(name));
  return [
    ...[...expected].flatMap(([name, count]) => {
      const found = counts.get(name)?.length ?? 0;
      return found === count ? [] : [`${name} has ${found} copies of ${count}`];
    }),
    ...strange.map((name) => `${name} is still there`),
    ...wrong.map(({ display, phase, role, node, reason, upToDate }) => {
      const told = `${display} on ${node?.hostname ?? '-'} is ${phase}, ${role ?? 'nowhere'}`;
      return `${told}${upToDate ? '' : ', of an old spec'}: ${reason ?? 'no reason'}`;
    }),
  ];
}

/** systemd and dockerd show each instance running once, where it's said to be, and nothing else. */
async function differencesOfMachines(field: Field, rows: readonly InstanceRow[]): Promise<string[]> {
  const runners = (await field.cluster.runners()).filter(({ active }) => active);
  const shown = runners.map(({ name, node }) => `${instanceName(name)} on ${node}`);
  const said = rows.map(({ display, node }) => `${instanceName(display)} on ${node?.hostname ?? '-'}`);
  return compare(said, shown, 'is not on its machine', 'runs, by its machine');
}

/** The work itself beats once for each instance, where it's said to be. */
async function differencesOfRuns(field: Field, rows: readonly InstanceRow[]): Promise<string[]> {
  const runs = aliveRuns(await field.runs(), nowMs());
  const beating = runs.map(({ instance, node }) => `${instanceName(instance)} on ${field.named(node)}`);
  const said = rows.map(({ display, node }) => `${instanceName(display)} on ${node?.hostname ?? '-'}`);
  return compare(said, beating, 'does not beat', 'beats');
}

/** A global instance has its node in its name only among people; a container has more in it on its machine. */
function instanceName(text: string): string {
  return text
    .replace(/^muster-/, '')
    .replace(/@[^.]*$/, '')
    .replace(/\.global$/, '');
}

function compare(said: readonly string[], seen: readonly string[], missing: string, extra: string): string[] {
  const left = [...seen];
  const differences: string[] = [];
  for (const each of said) {
    const at = left.indexOf(each);
    if (at < 0) differences.push(`${each} ${missing}`);
    else left.splice(at, 1);
  }
  return [...differences, ...left.map((each) => `${each} ${extra}`)];
}
