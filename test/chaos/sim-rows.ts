import { pinnedNode, root } from '../../scripts/lib/paths.ts';
import { command, endsWithUs } from '../lab/command.ts';
import type { SoakSample } from '../soak/messages.ts';
import type { SoakResult } from '../soak/soak.ts';

/** A row of the table that needs no lab: another program makes it, and ends with one line of JSON. */
export interface SimRow {
  readonly name: string;
  readonly fault: string;
  readonly mustShow: string;
  readonly run: (quick: boolean, signal: AbortSignal) => Promise<{ measured: string; isGood: boolean }>;
}

interface CrashFigures {
  readonly points: number;
  readonly failures: number;
}

async function lastLine(argv: readonly string[]): Promise<{ json: string; isGood: boolean }> {
  const { stdout, exitCode } = await command([...endsWithUs, pinnedNode, ...argv], { cwd: root, reject: false });
  return { json: stdout.trimEnd().split('\n').at(-1) ?? '', isGood: exitCode === 0 };
}

const crashPoints: SimRow = {
  name: 'crash-points',
  fault: 'kill -9 of the agent before and after every write it makes (simulation)',
  mustShow: 'converges from each one',
  run: async (quick) => {
    const argv = ['test/sim/run.ts', '--crash-points', ...(quick ? ['--every', '20'] : [])];
    const { json, isGood } = await lastLine(argv);
    const { points, failures } = JSON.parse(json) as CrashFigures;
    return { measured: `converged from ${points - failures} of ${points} points`, isGood: isGood && failures === 0 };
  },
};

type SoakFigures = SoakResult & { readonly problems: readonly string[] };

const shown: Readonly<Record<string, (sample: SoakSample) => string>> = {
  heap: ({ heapBytes }) => megabytes(heapBytes),
  memory: ({ rssBytes }) => megabytes(rssBytes),
  'file descriptors': ({ fileDescriptors }) => String(fileDescriptors),
  'timers and sockets': ({ resources }) => String(Object.values(resources).reduce((sum, count) => sum + count, 0)),
  listeners: ({ listeners }) => String(listeners),
};

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

const soak: SimRow = {
  name: 'soak',
  fault: '24 h compressed: 10,000 starts and stops, 1,000 reconnects to etcd',
  mustShow: 'memory, file descriptors, timers, listeners flat',
  run: async (quick) => {
    const less = quick ? ['--cycles', '500', '--reconnects', '50'] : [];
    const { json, isGood } = await lastLine(['test/soak/run.ts', ...less]);
    const { samples, starts, connections, problems } = JSON.parse(json) as SoakFigures;
    const all = [samples.start, samples.middle, samples.end];
    const told = Object.entries(shown).map(([name, show]) => `${name} ${all.map(show).join(' → ')}`);
    const measured = [`${starts} starts, ${connections} connections: ${told.join(', ')}`, ...problems].join('; ');
    return { measured, isGood: isGood && problems.length === 0 };
  },
};

/** The rows that the simulation and the soak make. */
export const simRows: readonly SimRow[] = [crashPoints, soak];
