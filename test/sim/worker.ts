import { parentPort } from 'node:worker_threads';
import { runJob, type SimJob } from './job.ts';

const rejected: string[] = [];
process.on('unhandledRejection', (error) => rejected.push(String(error)));

parentPort?.on('message', (job: SimJob) => {
  runJob(job)
    .then((outcome) => {
      const lost = rejected.splice(0);
      const failure = lost.length > 0 ? `unhandled rejections: ${lost.join('; ')}` : outcome.failure;
      const timeline = failure === undefined ? [] : outcome.timeline;
      parentPort?.postMessage({ ...outcome, failure, timeline });
    })
    .catch((error: unknown) => process.emitWarning(String(error)));
});
