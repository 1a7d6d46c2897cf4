import { runCli } from '../../src/cli/run-cli.ts';
import { AgentError } from '../../src/domain/errors.ts';
import type { Self } from '../../src/host/run-self.ts';
import { systemClock } from '../../src/loop/system-clock.ts';

/** The executable's own commands, run in the process of the test; notes what it was asked for. */
export function openSelfInProcess(asked: string[] = []): Self {
  return {
    run: async (args, input, signal) => {
      asked.push(args.slice(0, 2).join(' '));
      const texts = { out: '', error: '' };
      const output = (name: keyof typeof texts) => ({
        write: (text: string | Uint8Array) => {
          texts[name] += typeof text === 'string' ? text : Buffer.from(text).toString();
        },
        isTTY: false,
        columns: undefined,
        rows: undefined,
      });
      const refuse = () => Promise.reject(new Error('no part of this'));
      const terminal = {
        stdout: output('out'),
        stderr: output('error'),
        stdin: (async function* () {
          yield await Promise.resolve(input);
        })(),
        env: {},
        clock: systemClock,
        timeZone: () => 'UTC',
        version: { version: '1.2.3', commit: 'abc' },
        runAgent: refuse,
        machine: refuse,
        connect: refuse,
      };
      const code = await runCli(args, terminal, signal);
      if (code === 0) return texts.out.trimEnd();
      throw new AgentError('UNAVAILABLE', texts.error);
    },
  };
}
