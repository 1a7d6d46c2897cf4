import { exitCodes, makeCommand } from '../command.ts';
import { printJson } from '../print-answer.ts';

/** `muster version`. */
export const version = makeCommand({
  path: 'version',
  summary: 'Show the version of this executable',
  details: [],
  args: [],
  options: {},
  examples: [
    { line: 'muster version', does: 'version and commit' },
    { line: 'muster version --json', does: 'the same for programs' },
  ],
  run(context) {
    const { stdout, json, version } = context;
    if (json) printJson(context, version);
    else stdout.write(`muster ${version.version} (${version.commit})\n`);
    return Promise.resolve(exitCodes.done);
  },
});
