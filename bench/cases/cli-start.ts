import type { BenchCase } from '../lib/bench-case.ts';
import { measureProcess } from '../lib/measure-process.ts';
import { median } from '../lib/statistics.ts';

const runs = 40;

/** `muster version` against an empty script of the same Node, in turns, so that a slow moment hits both. */
export const benchCase: BenchCase = {
  name: 'cli-start',
  mustReach: 'ratio <= 2.0',
  async run({ executable, node }, signal) {
    const [versionMs, emptyMs]: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run += 1) {
      signal.throwIfAborted();
      versionMs.push(measureProcess(executable, ['version']));
      emptyMs.push(measureProcess(node, ['-e', '0']));
    }
    const [value, baseline] = [median(versionMs), median(emptyMs)];
    return { name: 'cli-start', value, unit: 'ms', baseline, ratio: value / baseline, n: runs };
  },
};
