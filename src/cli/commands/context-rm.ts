import { exitCodes, makeCommand } from '../command.ts';
import { loadContexts, noContext, saveContexts } from '../contexts.ts';
import { printJson } from '../print-answer.ts';

/** `muster context rm`. */
export const contextRm = makeCommand({
  path: 'context rm',
  summary: 'Forget a context',
  details: ['The files of its certificate stay. If it was in use, the agent of this machine is used again.'],
  args: [{ name: 'NAME', help: 'The context' }],
  options: {},
  examples: [{ line: 'muster context rm prod', does: 'forget how prod is reached' }],
  async run(context, { args: [name = ''] }) {
    const { current, contexts } = loadContexts(context.env);
    if (!contexts.has(name)) throw noContext(name, contexts);
    const left = new Map([...contexts].filter(([each]) => each !== name));
    await saveContexts(context.env, { current: current === name ? undefined : current, contexts: left });
    if (context.json) printJson(context, { removed: name });
    else context.stdout.write(`removed ${name}\n`);
    return exitCodes.done;
  },
});
