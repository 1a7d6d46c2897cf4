import { pinnedNode, root } from '../../scripts/lib/paths.ts';
import { command, endsWithUs } from '../lab/command.ts';

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

/** The rows that the simulation and the soak make. */
export const simRows: readonly SimRow[] = [crashPoints];
