import { exitCodes, makeCommand } from '../command.ts';
import type { Shell } from '../completion-scripts.ts';
import { Misuse } from '../misuse.ts';

/** `muster completion`. */
export const completion = makeCommand({
  path: 'completion',
  summary: 'Print a script with which a shell completes commands, options and names',
  details: [
    'Names of workloads, instances, nodes and contexts are asked of the agent that the line talks to, and of nobody when it does not answer within a second and a half.',
  ],
  args: [{ name: 'SHELL', help: 'bash, zsh or fish' }],
  options: {},
  examples: [
    { line: 'muster completion bash > /etc/bash_completion.d/muster', does: 'for everybody who uses bash here' },
    { line: 'muster completion zsh > ~/.zfunc/_muster', does: 'for zsh, where ~/.zfunc is in $fpath' },
    { line: 'muster completion fish > ~/.config/fish/completions/muster.fish', does: 'for fish' },
  ],
  async run({ stdout }, { args: [shell = ''] }) {
    const { completionScripts } = await import('../completion-scripts.ts');
    if (!isShell(shell, completionScripts)) {
      const known = Object.keys(completionScripts).join(', ');
      throw new Misuse(`Cannot complete in "${shell}": expected one of ${known}`);
    }
    stdout.write(completionScripts[shell]);
    return exitCodes.done;
  },
});

function isShell(text: string, scripts: Readonly<Record<Shell, string>>): text is Shell {
  return Object.hasOwn(scripts, text);
}
