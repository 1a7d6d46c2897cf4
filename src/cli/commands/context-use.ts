import { LOCAL_CONTEXT } from '../../input/contexts-file.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { loadContexts, noContext, saveContexts } from '../contexts.ts';
import { printJson } from '../print-answer.ts';

/** `muster context use`. */
export const contextUse = makeCommand({
  path: 'context use',
  summary: 'Use a context from now on',
  details: ['"local" is the agent of this machine: what is used where nothing else was ever said.'],
  args: [{ name: 'NAME', help: 'The context, or "local"' }],
  options: {},
  examples: [
    { line: 'muster context use prod', does: 'all that follows goes to prod' },
    { line: 'muster context use local', does: "back to this machine's agent" },
  ],
  async run(context, { args: [name = ''] }) {
    const { contexts } = loadContexts(context.env);
    if (name !== LOCAL_CONTEXT && !contexts.has(name)) throw noContext(name, contexts);
    await saveContexts(context.env, { current: name === LOCAL_CONTEXT ? undefined : name, contexts });
    if (context.json) printJson(context, { current: name });
    else context.stdout.write(`uses ${name}\n`);
    return exitCodes.done;
  },
});
