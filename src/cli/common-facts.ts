/** What every command's exit code means; the help, the reference and the man page say it from here. */
export const exitCodeTexts: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done'],
  ['1', 'failed: the message says why'],
  ['2', "misuse: the command line can't be understood; nothing was done"],
  ['3', 'accepted, but not converged in time; the cluster goes on'],
  ['4', 'of `muster plan`: something would change'],
  ['130, 141, 143', 'ended by Ctrl-C, by a closed pipe, by SIGTERM; what was accepted stays'],
];

/** Variables that every command heeds; parts in backquotes are literal. */
export const environmentTexts: readonly (readonly [names: readonly string[], meaning: string])[] = [
  [
    ['MUSTER_ENDPOINT'],
    'where the API is: `https://host:port`, with `MUSTER_CA`, `MUSTER_CERT` and `MUSTER_KEY`, or `unix:///path`',
  ],
  [['MUSTER_CA', 'MUSTER_CERT', 'MUSTER_KEY'], "the PEM files of the cluster's CA, your certificate and its key"],
  [['MUSTER_SOCKET'], "the agent's API socket, as `--socket`"],
  [['MUSTER_CONTEXT'], 'the context, as `--context`'],
  [['MUSTER_CONFIG'], "the agent's configuration file, as `muster agent --config`"],
  [['MUSTER_DEBUG'], 'when set, errors are printed with their code and where they came from'],
  [['NO_COLOR'], 'when set, no colours'],
];

/** Which of several places is asked. */
export const targetText =
  'Where a command asks is said by the first of these that is there: `--socket` or `--context`, `MUSTER_ENDPOINT`, `MUSTER_SOCKET`, `MUSTER_CONTEXT`, the context in use (`muster context use`), `/run/muster/muster.sock`.';

/** Files that a command reads unless told otherwise. */
export const fileTexts: readonly (readonly [path: string, meaning: string])[] = [
  ['/run/muster/muster.sock', "the agent's API, for root and the group muster"],
  ['/etc/muster/muster.yaml', "the agent's configuration"],
  ['~/.config/muster/contexts.yaml', 'clusters that you work with'],
];
