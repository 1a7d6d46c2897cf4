import { LOCAL_CONTEXT } from '../../input/contexts-file.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { describeContext } from '../context-description.ts';
import { loadContexts, noContext } from '../contexts.ts';
import { printFields, printJson } from '../print-answer.ts';

/** `muster context show`. */
export const contextShow = makeCommand({
  path: 'context show',
  summary: 'Show where a context leads, and as whom',
  details: ['Without a name the one in use. Exits with 1 where its certificate can not be used now.'],
  args: [{ name: 'NAME', help: 'The context', optional: true }],
  options: {},
  examples: [{ line: 'muster context show', does: 'the one in use' }],
  async run(context, { args: [typed] }) {
    const { current, contexts } = loadContexts(context.env);
    const name = typed ?? current ?? LOCAL_CONTEXT;
    const entry = contexts.get(name);
    if (entry === undefined && name !== LOCAL_CONTEXT) throw noContext(name, contexts);
    const row = await describeContext(context, { name, entry, current });
    if (context.json) printJson(context, row);
    else {
      printFields(context, [
        ['Context', row.name],
        ['In use', row.current ? 'yes' : 'no'],
        ['Endpoint', row.endpoint],
        ['Cluster', row.cluster],
        ['As', row.as],
        ['Certificate', row.certificate],
        ['CA', entry?.ca],
        ['File', entry?.cert],
        ['Key', entry?.key],
      ]);
    }
    return row.usable ? exitCodes.done : exitCodes.failed;
  },
});
