import { parentPort, workerData } from 'node:worker_threads';
import { runTarget } from './run-target.ts';

/** What a worker is given: one parser, and where it counts its cases. */
export interface FuzzJob {
  readonly name: string;
  readonly cases: number;
  readonly seed: number;
  readonly counter: SharedArrayBuffer;
}

const { name, cases, seed, counter } = workerData as FuzzJob;
const begun = new Int32Array(counter);
parentPort?.postMessage(await runTarget(name, { cases, seed, onCase: () => Atomics.add(begun, 0, 1) }));
