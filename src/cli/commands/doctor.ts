import type { Finding } from '../../domain/finding.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context, Tone } from '../context.ts';
import { printJson } from '../print-answer.ts';
import { printable } from '../table.ts';

const tones: Readonly<Record<Finding['level'], Tone>> = { ok: 'good', warn: 'warn', fail: 'bad' };

/** `muster doctor`: what is wrong with this machine. */
export const doctor = makeCommand({
  path: 'doctor',
  summary: 'Look for what is wrong with this machine, and say what to do about it',
  details: [
    'It looks at all that the agent needs, also while the agent does not run: configuration, machine ID, systemd and units, each endpoint of etcd with its latency, the clock, certificates, Docker, control groups, disks. As another user than root it sees less.',
    'It exits 1 when something has failed, 0 when there are warnings at most. --quiet leaves out what is well.',
  ],
  args: [],
  options: {
    config: { type: 'string', value: 'FILE', help: 'The configuration file (else that of the agent that runs here)' },
  },
  examples: [
    { line: 'muster doctor', does: 'each thing that was looked at, and what to do where it is not well' },
    { line: 'muster doctor -q', does: 'only what is not well' },
    { line: 'muster doctor --json', does: 'the same for programs' },
  ],
  async run(context, { value }) {
    const machine = await context.machine();
    const findings = await machine.diagnose({ configPath: value('config'), flags: {} }, context.signal);
    const isWell = findings.every(({ level }) => level !== 'fail');
    if (context.json) printJson(context, { ok: isWell, findings });
    else show(context, context.quiet ? findings.filter(({ level }) => level !== 'ok') : findings);
    return isWell ? exitCodes.done : exitCodes.failed;
  },
});

function show(context: Context, findings: readonly Finding[]): void {
  const { stdout, paint } = context;
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, subject, level, found, advice } of findings) {
    const about = subject === undefined ? '' : `${subject} `;
    stdout.write(`${paint(level.padEnd(4), tones[level])}  ${check.padEnd(width)}  ${printable(about + found)}\n`);
    if (advice !== undefined) stdout.write(`${' '.repeat(width + 8)}${paint('→', 'dim')} ${printable(advice)}\n`);
  }
  if (context.quiet) return;
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  stdout.write(`\n${count('fail')} failed, ${count('warn')} warnings, ${count('ok')} well\n`);
}
