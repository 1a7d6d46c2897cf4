import { AgentError } from '../../domain/errors.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { printJson, printNames, printTable, printWarnings } from '../print-answer.ts';
import { printError } from '../print-error.ts';

const columns = [{ title: 'KEY' }, { title: 'VALUE', shrinks: true }, { title: 'FROM', shrinks: true }];

/** `muster config show`: what the agent of this machine is told, and by what. */
export const configShow = makeCommand({
  path: 'config show',
  summary: "Show the configuration of this machine's agent, and where each value comes from",
  details: [
    'Of the agent that runs here, as it was started, where this user may see that; else of one that would be started now. Options of "muster agent" show what would become of them. Keys name the files of secrets, never a secret itself.',
    'It exits 1 when an agent would not start with it.',
  ],
  args: [],
  options: {
    config: { type: 'string', value: 'FILE', help: 'The configuration file (else that of the agent that runs here)' },
    changed: { type: 'boolean', help: 'Only what is not a default' },
  },
  examples: [
    { line: 'muster config show', does: 'every key, its value and where that comes from' },
    { line: 'muster config show --changed', does: 'only what somebody has set' },
    { line: 'muster config show --config ./muster.yaml --lease-ttl 20s', does: 'what an agent would make of these' },
  ],
  passesOptions: true,
  async run(context, { value, passed, flag }) {
    const machine = await context.machine();
    const answer = await machine.config({ configPath: value('config'), flags: passed });
    const rows = flag('changed') ? answer.rows.filter(({ origin }) => origin !== 'default') : answer.rows;
    if (context.json) printJson(context, { ...answer, rows });
    else if (context.quiet)
      printNames(
        context,
        rows.map(({ key }) => key),
      );
    else {
      const cells = rows.map(({ key, value: text, origin, source }) => [
        { text: key, tone: 'strong' as const },
        { text: text ?? '-', tone: origin === 'default' ? ('dim' as const) : ('plain' as const) },
        {
          text: source === '' ? 'default' : source,
          tone: origin === 'default' ? ('dim' as const) : ('plain' as const),
        },
      ]);
      printTable(context, columns, cells, 'Nothing is set: all keys have their defaults.');
    }
    if (answer.isNewerThanAgent) {
      printWarnings(context, [`${answer.path} was changed since the agent (PID ${answer.pid ?? '?'}) started`]);
    }
    if (answer.problem === undefined) return exitCodes.done;
    printError(context, new AgentError('INVALID_INPUT', answer.problem));
    return exitCodes.failed;
  },
});
