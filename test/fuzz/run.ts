// npm run fuzz [-- --cases N] [--seed S] [parser…]: each parser whose name begins with one of the words, or every one.
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type FuzzResult, listTargets } from './run-target.ts';
import type { FuzzJob } from './worker.ts';

/** As many at once as a small machine has CPUs. */
const WORKERS = 2;
/** A parser that begins no new case for so long hangs. */
const HANG_MS = 60_000;

const { values, positionals } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
  allowPositionals: true,
});
const [cases, seed] = [Number(values.cases), Number(values.seed)];
const names = listTargets().filter(
  (name) => positionals.length === 0 || positionals.some((word) => name.startsWith(word)),
);
if (names.length === 0)
  throw new Error(`Cannot fuzz "${positionals.join(' ')}": expected any of ${listTargets().join(', ')}`);

function runOne(name: string): Promise<FuzzResult> {
  const counter = new SharedArrayBuffer(4);
  const job: FuzzJob = { name, cases, seed, counter };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: job });
  return new Promise((resolve) => {
    const fail = (failure: string) => {
      const begun = new Int32Array(counter)[0] ?? 0;
      resolve({
        name,
        cases: begun,
        accepted: 0,
        refused: 0,
        seconds: 0,
        failure: `seed ${seed}, case ${begun}: ${failure}`,
      });
    };
    let before = -1;
    const watch = setInterval(() => {
      const begun = new Int32Array(counter)[0] ?? 0;
      if (begun === before) fail(`hung for ${HANG_MS} ms`);
      if (begun === before) worker.terminate().catch(() => {});
      before = begun;
    }, HANG_MS);
    worker.once('message', resolve);
    worker.once('error', (error) => fail(String(error)));
    worker.once('exit', () => {
      clearInterval(watch);
      fail('the worker ended');
    });
  });
}

setPriority(10);
process.stdout.write(`seed ${seed}, ${cases} cases each\n`);
const queue = [...names];
let failures = 0;
async function runQueue(): Promise<void> {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const result = await runOne(name);
    const { accepted, refused, seconds, failure } = result;
    const figures = `${result.cases} cases, ${accepted} accepted, ${refused} refused, ${seconds.toFixed(1)} s`;
    process.stdout.write(`${failure === undefined ? 'ok' : 'FAILED'}  ${name.padEnd(22)} ${figures}\n`);
    if (failure === undefined) continue;
    failures += 1;
    process.stdout.write(`${failure}\nagain: npm run fuzz -- --cases ${cases} --seed ${seed} ${name}\n`);
  }
}
await Promise.all(Array.from({ length: WORKERS }, runQueue));
process.stdout.write(`${names.length - failures} of ${names.length} parsers took everything well\n`);
if (failures > 0) process.exitCode = 1;
