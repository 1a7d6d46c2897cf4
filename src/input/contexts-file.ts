import { parseDocument, stringify } from 'yaml';
import { AgentError } from '../domain/errors.ts';

/** How one cluster is reached. */
export interface ContextEntry {
  /** `https://host:port` or `unix:///path`. */
  readonly endpoint: string;
  /** Paths of PEM files; absent for a socket. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** `contexts.yaml`: the clusters that somebody works with. */
export interface ContextsFile {
  /** The one that's used unless another one is named. */
  readonly current: string | undefined;
  readonly contexts: ReadonlyMap<string, ContextEntry>;
}

/** The context that is always there: the agent of this machine. */
export const LOCAL_CONTEXT = 'local';

/** Accepts the name of a context. */
export function parseContextName(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/.test(text)) return text;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use the context name "${text.slice(0, 200)}": expected 1 to 64 of letters, digits and "._-", beginning and ending with a letter or digit`,
  );
}

/** Accepts an endpoint: what it is, and where. */
export function parseEndpoint(text: string): { readonly socketPath: string } | { readonly url: string } {
  const [, path] = /^unix:\/\/(\/[^\0]*)$/.exec(text) ?? [];
  if (path !== undefined) return { socketPath: path };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '')
    return { url: `https://${url.hostname}:${url.port === '' ? '2773' : url.port}` };
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use the endpoint "${text.slice(0, 200)}": expected https://host:port or unix:///path`,
  );
}

/** Reads `contexts.yaml`; an unknown key is refused. */
export function parseContexts(text: string, file: string): ContextsFile {
  const refuse = (expected: string) => new AgentError('INVALID_INPUT', `Cannot read ${file}: expected ${expected}`);
  const document = parseDocument(text, { uniqueKeys: true, stringKeys: true });
  if (document.errors.length > 0) throw refuse('YAML');
  const root = (document.toJS() as unknown) ?? {};
  if (!isMap(root)) throw refuse('a map');
  const { current, contexts = {}, ...others } = root;
  const [other] = Object.keys(others);
  if (other !== undefined) throw refuse(`"current" and "contexts", not "${other}"`);
  if (current !== undefined && typeof current !== 'string') throw refuse('a name as "current"');
  if (!isMap(contexts)) throw refuse('a map as "contexts"');
  const entries = Object.entries(contexts).map(
    ([name, value]) => [parseContextName(name), parseEntry(name, value, file)] as const,
  );
  return { current, contexts: new Map(entries) };
}

/** What {@link parseContexts} reads. */
export function writeContexts({ current, contexts }: ContextsFile): string {
  return stringify({ ...(current === undefined ? {} : { current }), contexts: Object.fromEntries(contexts) });
}

function parseEntry(name: string, value: unknown, file: string): ContextEntry {
  const refuse = (expected: string) =>
    new AgentError('INVALID_INPUT', `Cannot read context "${name}" in ${file}: expected ${expected}`);
  if (!isMap(value)) throw refuse('a map');
  for (const [key, text] of Object.entries(value)) {
    if (!['endpoint', 'ca', 'cert', 'key'].includes(key)) throw refuse(`endpoint, ca, cert and key, not "${key}"`);
    if (typeof text !== 'string' || text === '') throw refuse(`a text as "${key}"`);
  }
  const { endpoint, ...files } = value as Readonly<Record<string, string>>;
  if (endpoint === undefined) throw refuse('an endpoint');
  const isSocket = 'socketPath' in parseEndpoint(endpoint);
  if (!isSocket && ['ca', 'cert', 'key'].some((key) => files[key] === undefined))
    throw refuse('ca, cert and key with https://');
  return { endpoint, ...files };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
