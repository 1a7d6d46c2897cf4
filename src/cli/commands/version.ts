import { exitCodes, makeCommand } from '../command.ts';

/** `muster version`. */
export const version = makeCommand({
  path: 'version',
  summary: 'Show the version of this executable',
  details: [],
  args: [],
  options: {},
  examples: [{ line: 'muster version --json', does: 'version and commit, for programs' }],
  run({ stdout, json, version }) {
    stdout.write(json ? `${JSON.stringify(version)}\n` : `muster ${version.version} (${version.commit})\n`);
    return Promise.resolve(exitCodes.done);
  },
});
