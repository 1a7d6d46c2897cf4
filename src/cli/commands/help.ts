import { exitCodes, makeCommand } from '../command.ts';

/** `muster help [COMMAND…]`. */
export const help = makeCommand({
  path: 'help',
  summary: 'Show the commands, or one command with its options and examples',
  details: [],
  args: [{ name: 'COMMAND', help: 'A command, as "node ls"', optional: true, many: true }],
  options: { markdown: { type: 'boolean', help: 'Print the reference of all commands, which is docs/cli.md' } },
  examples: [{ line: 'muster help node ls', does: 'all about one command' }],
  async run({ stdout, help }, { args, flag }) {
    stdout.write(await (flag('markdown') ? help.reference() : help.on(args)));
    return exitCodes.done;
  },
});
