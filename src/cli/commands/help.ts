import { exitCodes, makeCommand } from '../command.ts';

/** `muster help [COMMAND…]`. */
export const help = makeCommand({
  path: 'help',
  summary: 'Show the commands, or one command with its options and examples',
  details: [],
  args: [{ name: 'COMMAND', help: 'A command, as "node ls"', optional: true, many: true }],
  options: {
    markdown: { type: 'boolean', help: 'Print the reference of all commands, which is docs/cli.md' },
    man: { type: 'boolean', help: 'Print the man page, which is docs/muster.1' },
  },
  examples: [
    { line: 'muster help', does: 'the commands, one line each' },
    { line: 'muster help node ls', does: 'all about one command' },
    { line: 'muster help --man > /usr/local/share/man/man1/muster.1', does: 'have "man muster"' },
  ],
  async run({ stdout, help }, { args, flag }) {
    if (flag('man')) stdout.write(await help.manPage());
    else stdout.write(await (flag('markdown') ? help.reference() : help.on(args)));
    return exitCodes.done;
  },
});
