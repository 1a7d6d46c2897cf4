import type { ContextEntry } from '../input/contexts-file.ts';
import type { ClientTarget } from '../wire/target.ts';
import type { Terminal } from './context.ts';
import { contextsPath, readContextsText, variable } from './contexts-path.ts';
import { Misuse } from './misuse.ts';

type Environment = Terminal['env'];

/** Where an agent serves its API unless told otherwise. */
const defaultSocketPath = '/run/muster/muster.sock';

/** What the command line says of where to ask. */
export interface TargetOptions {
  readonly socket: string | undefined;
  readonly context: string | undefined;
}

/**
 * Where the API is that a command talks to. The first of these that is said counts: --socket or --context, MUSTER_ENDPOINT,
 * MUSTER_SOCKET, MUSTER_CONTEXT, the context in use, the socket of this machine's agent.
 */
export async function findTarget({ socket, context }: TargetOptions, env: Environment): Promise<ClientTarget> {
  if (socket !== undefined && context !== undefined)
    throw new Misuse('Cannot use --socket and --context together: expected one of them');
  if (socket !== undefined) return { socketPath: socket };
  if (context !== undefined) return contextTarget(context, '--context', env);
  const endpoint = variable(env, 'MUSTER_ENDPOINT');
  if (endpoint !== undefined) return endpointTarget(endpoint, env);
  const socketPath = variable(env, 'MUSTER_SOCKET');
  if (socketPath !== undefined) return { socketPath };
  const named = variable(env, 'MUSTER_CONTEXT');
  if (named !== undefined) return contextTarget(named, 'MUSTER_CONTEXT', env);
  const text = readContextsText(contextsPath(env));
  return text === undefined ? { socketPath: defaultSocketPath } : contextTarget(undefined, 'current', env);
}

/** What an entry of contexts.yaml leads to; its files are read. */
export async function entryTarget(entry: ContextEntry): Promise<ClientTarget> {
  const { parseEndpoint } = await import('../input/contexts-file.ts');
  const where = parseEndpoint(entry.endpoint);
  if ('socketPath' in where) return where;
  const { readPem } = await import('../pki/pem-files.ts');
  const read = async (path: string | undefined, what: string) => readPem(path ?? '', `${what}, in PEM`);
  return {
    url: where.url,
    ca: await read(entry.ca, 'the CA of the cluster'),
    cert: await read(entry.cert, 'your certificate'),
    key: await read(entry.key, 'the key of your certificate'),
  };
}

async function contextTarget(name: string | undefined, from: string, env: Environment): Promise<ClientTarget> {
  const { findContext } = await import('./contexts.ts');
  const entry = findContext(name, from, env);
  return entry === undefined ? { socketPath: defaultSocketPath } : entryTarget(entry);
}

async function endpointTarget(endpoint: string, env: Environment): Promise<ClientTarget> {
  const [ca, cert, key] = ['MUSTER_CA', 'MUSTER_CERT', 'MUSTER_KEY'].map((name) => variable(env, name));
  const isSocket = endpoint.startsWith('unix:');
  if (!isSocket && (ca === undefined || cert === undefined || key === undefined))
    throw new Misuse(
      'Cannot use MUSTER_ENDPOINT: expected MUSTER_CA, MUSTER_CERT and MUSTER_KEY with it, the paths of PEM files',
    );
  return entryTarget({ endpoint, ...(ca && cert && key ? { ca, cert, key } : {}) });
}
