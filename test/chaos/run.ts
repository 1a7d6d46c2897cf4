// The storm: see docs/reliability.md. Ends with one line of JSON; exit code 0 only if no promise was broken.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runStorm } from './storm.ts';
import { readTimeline } from './timeline.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '3' },
    nodes: { type: 'string', default: '3' },
    'ttl-seconds': { type: 'string', default: '10' },
    timeline: { type: 'string' },
    replay: { type: 'string' },
  },
});

function number(name: 'seed' | 'minutes' | 'nodes' | 'ttl-seconds', from: number, to: number, absent: number): number {
  const value = Number(values[name] ?? absent);
  if (value >= from && value <= to) return value;
  throw new Error(`Cannot storm with --${name} "${values[name]}": expected a number of ${from} to ${to}`);
}

async function main(): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => stop.abort(new Error(`interrupted by ${name}`)));
  }
  const replayed = values.replay === undefined ? undefined : readTimeline(values.replay);
  const settings = replayed?.settings ?? {
    seed: number('seed', 0, 1e9, Date.now() % 1_000_000),
    minutes: number('minutes', 0.1, 10_000, 3),
    nodes: number('nodes', 3, 5, 3),
    ttlMs: 1_000 * number('ttl-seconds', 2, 60, 10),
  };
  const timeline = values.timeline ?? join(tmpdir(), `muster-chaos-${settings.seed}-${process.pid}.jsonl`);
  say(`seed ${settings.seed}: ${settings.minutes} minutes on ${settings.nodes} nodes; timeline: ${timeline}`);
  const replay = replayed === undefined ? {} : { replay: replayed.faults };
  const { seed, minutes, nodes, ttlMs } = settings;
  const summary = await runStorm({ seed, minutes, nodes, ttlMs, timeline, ...replay, say, signal: stop.signal });
  say(JSON.stringify(summary));
  return summary.violations.length === 0 && !summary.interrupted ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
