import { AgentError } from '../../domain/errors.ts';
import type { ExecChannel } from '../../wire/exec-client.ts';
import { EXEC_SIGN_MS, type ExecStart } from '../../wire/exec-frames.ts';
import { makeCommand } from '../command.ts';
import type { Context, KeyTerminal } from '../context.ts';
import { findInstance } from '../find-instance.ts';
import { Misuse } from '../misuse.ts';

/** What a terminal is taken for that tells no size. */
const usualSize = { columns: 80, rows: 24 };
/** An agent that has not said so often that it's there is gone. */
const SIGNS_MISSED = 6;

/** `muster exec`: a command beside an instance, wherever it runs. */
export const exec = makeCommand({
  path: 'exec',
  summary: 'Run a command in an instance, wherever it runs',
  details: [
    "In a container the command runs as Docker's exec has it. Beside a unit it has the namespaces, root, working directory, environment and user of the unit's main process (without supplementary groups, and without variables that say how programs are loaded), and ends at the latest with the unit.",
    "No shell reads the command. Its exit code becomes this command's own; 1 also says that it could not be run, then with a message on standard error.",
  ],
  args: [
    { name: 'INSTANCE', help: 'An instance, or a workload of which one instance runs' },
    { name: 'COMMAND', help: 'The program and its arguments, after "--"', many: true },
  ],
  options: {
    tty: { type: 'boolean', short: 't', help: 'Give the command a terminal: this one' },
    stdin: { type: 'boolean', short: 'i', help: 'Pass standard input on to the command' },
  },
  examples: [
    { line: 'muster exec web.0 -- cat /etc/hostname', does: 'run one command' },
    { line: 'muster exec -it web.0 -- sh', does: 'a shell in a container' },
    { line: 'muster exec -i db.service -- psql < dump.sql', does: 'with input' },
  ],
  async run(context, { args: [name = '', ...command], flag }) {
    const keys = flag('tty') ? context.keys?.() : undefined;
    if (flag('tty') && keys === undefined) {
      throw new Misuse('Cannot use --tty: expected standard input and output to be a terminal', 'without -t it works');
    }
    const instance = await findInstance(context, name);
    const client = await context.client();
    const start: ExecStart = {
      command,
      input: flag('stdin'),
      ...(keys === undefined ? {} : { terminal: { ...sizeOf(context), type: keys.type } }),
    };
    const channel = await client.exec({ workload: instance.workload, slot: instance.slot }, start, context.signal);
    const give = keys === undefined ? () => {} : takeTerminal(context, keys, channel);
    try {
      return await attach(context, channel, start.input);
    } finally {
      give();
      channel.close();
      if (start.input) context.closeStdin?.();
    }
  },
});

function sizeOf({ stdout }: Context): { readonly columns: number; readonly rows: number } {
  return { columns: stdout.columns || usualSize.columns, rows: stdout.rows || usualSize.rows };
}

/** Keys go to the command as they are, and it's told of each new size; returns the way back. */
function takeTerminal(context: Context, keys: KeyTerminal, channel: ExecChannel): () => void {
  const cancel = keys.onResize(() => channel.resize(sizeOf(context)));
  keys.setRaw(true);
  return () => {
    cancel();
    keys.setRaw(false);
  };
}

/** Until the command has ended; returns its exit code. */
async function attach(context: Context, channel: ExecChannel, isInput: boolean): Promise<number> {
  const dead = Promise.withResolvers<never>();
  dead.promise.catch(() => {}); // heard below, while the command runs
  const stopWatching = watchSilence(context, channel, () =>
    dead.reject(
      new AgentError('UNAVAILABLE', 'Cannot tell how the command ended: nothing was heard of its node for long'),
    ),
  );
  try {
    if (isInput) passInput(context, channel).catch(dead.reject);
    await Promise.race([passOutput(context, channel), dead.promise]);
    return channel.exitCode();
  } finally {
    stopWatching();
  }
}

async function passOutput({ stdout, stderr }: Context, { output }: ExecChannel): Promise<void> {
  for await (const { stream, data } of output) {
    const to = stream === 'stdout' ? stdout : stderr;
    to.write(data);
    await to.drained?.();
  }
}

/** Goes on until the input ends, or nobody is there any more who takes it. */
async function passInput({ stdin }: Context, channel: ExecChannel): Promise<void> {
  for await (const piece of stdin) await channel.write(typeof piece === 'string' ? Buffer.from(piece) : piece);
  channel.endInput();
}

function watchSilence({ clock }: Context, channel: ExecChannel, onSilence: () => void): () => void {
  let cancel = () => {};
  const look = () => {
    if (channel.wasHeard()) cancel = clock.after(SIGNS_MISSED * EXEC_SIGN_MS, look);
    else onSilence();
  };
  cancel = clock.after(SIGNS_MISSED * EXEC_SIGN_MS, look);
  return () => cancel();
}
