import { resolve } from 'node:path';
import { AgentError } from '../../domain/errors.ts';
import { type ContextEntry, LOCAL_CONTEXT, parseContextName, parseEndpoint } from '../../input/contexts-file.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { loadContexts, saveContexts } from '../contexts.ts';
import { entryTarget } from '../find-target.ts';
import { Misuse } from '../misuse.ts';
import { printJson } from '../print-answer.ts';

/** `muster context add`: another cluster to work with. */
export const contextAdd = makeCommand({
  path: 'context add',
  summary: 'Add a cluster to work with from this machine',
  details: [
    'A context is a name for an endpoint and the files of a certificate, kept in $XDG_CONFIG_HOME/muster/contexts.yaml. The files stay where they are.',
  ],
  args: [{ name: 'NAME', help: 'What it is to be called' }],
  options: {
    endpoint: { type: 'string', value: 'URL', help: 'https://host:port of a node with api.listen, or unix:///path' },
    ca: { type: 'string', value: 'FILE', help: 'The CA of the cluster' },
    cert: { type: 'string', value: 'FILE', help: 'Your certificate' },
    key: { type: 'string', value: 'FILE', help: 'Its key' },
    use: { type: 'boolean', help: 'Use it from now on' },
    force: { type: 'boolean', help: 'Replace one of that name' },
  },
  examples: [
    {
      line: 'muster context add prod --endpoint https://10.0.0.1:2773 --ca ca.pem --cert anna.pem --key anna-key.pem --use',
      does: 'work with prod from this machine',
    },
  ],
  async run(context, { args: [typed = ''], flag, value }) {
    const name = parseContextName(typed);
    if (name === LOCAL_CONTEXT)
      throw new AgentError(
        'CONFLICT',
        `Cannot add "${LOCAL_CONTEXT}": expected another name, this one is the agent of this machine`,
      );
    const endpoint = value('endpoint');
    if (endpoint === undefined) throw new Misuse('Cannot add a context: expected --endpoint https://host:port');
    const entry = makeEntry(endpoint, { ca: value('ca'), cert: value('cert'), key: value('key') });
    await entryTarget(entry); // its files are there
    const { current, contexts } = loadContexts(context.env);
    if (contexts.has(name) && !flag('force'))
      throw new AgentError(
        'CONFLICT',
        `Cannot add context "${name}": it is there already, expected --force to replace it`,
      );
    const used = flag('use') ? name : current;
    await saveContexts(context.env, { current: used, contexts: new Map([...contexts, [name, entry]]) });
    if (context.json) printJson(context, { name, current: used === name, ...entry });
    else
      context.stdout.write(`added ${name}${used === name ? ', in use' : `: "muster context use ${name}" uses it`}\n`);
    return exitCodes.done;
  },
});

function makeEntry(endpoint: string, files: Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>): ContextEntry {
  if ('socketPath' in parseEndpoint(endpoint)) return { endpoint };
  const { ca, cert, key } = files;
  if (ca === undefined || cert === undefined || key === undefined)
    throw new Misuse('Cannot add a context for https://: expected --ca, --cert and --key');
  return { endpoint, ca: resolve(ca), cert: resolve(cert), key: resolve(key) };
}
