import { Worker } from 'node:worker_threads';
import type { SimJob, SimOutcome } from './job.ts';

/** As many as a small machine has CPUs. */
const WORKERS = 2;

/** Simulates all, several side by side; tells each outcome as it comes. Rejects when a worker dies. */
export async function runJobs(jobs: Iterable<SimJob>, onOutcome: (outcome: SimOutcome) => void): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  const run = async (): Promise<void> => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url));
    try {
      for (let next = queue.next(); next.done !== true; next = queue.next()) {
        onOutcome(await ask(worker, next.value));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, run));
}

function ask(worker: Worker, job: SimJob): Promise<SimOutcome> {
  return new Promise((resolve, reject) => {
    const end = () => {
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    const onMessage = (outcome: SimOutcome) => {
      end();
      resolve(outcome);
    };
    const onError = (error: unknown) => {
      end();
      reject(new Error(`The worker of ${JSON.stringify(job)} died`, { cause: error }));
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(job);
  });
}
