import { AgentError } from '../domain/errors.ts';
import {
  type ContextEntry,
  type ContextsFile,
  LOCAL_CONTEXT,
  parseContexts,
  writeContexts,
} from '../input/contexts-file.ts';
import { writePems } from '../pki/pem-files.ts';
import type { Terminal } from './context.ts';
import { contextsPath, readContextsText } from './contexts-path.ts';
import { suggestWord } from './suggest.ts';

/** The contexts of whoever runs this; none where there's no file. */
export function loadContexts(env: Terminal['env']): ContextsFile {
  const path = contextsPath(env);
  const text = readContextsText(path);
  return text === undefined ? { current: undefined, contexts: new Map() } : parseContexts(text, path);
}

/** Writes them. The paths of keys are nobody else's business: the file is for its owner alone. */
export async function saveContexts(env: Terminal['env'], file: ContextsFile): Promise<void> {
  await writePems([{ path: contextsPath(env), content: writeContexts(file), secret: true }], true);
}

/**
 * The context of this name, or the one in use where none is named; undefined for this machine's own agent.
 * @param from where the name was said, for the message
 */
export function findContext(name: string | undefined, from: string, env: Terminal['env']): ContextEntry | undefined {
  const { current, contexts } = loadContexts(env);
  const wanted = name ?? current;
  if (wanted === undefined || wanted === LOCAL_CONTEXT) return undefined;
  const entry = contexts.get(wanted);
  if (entry !== undefined) return entry;
  throw noContext(wanted, contexts, ` (${from})`);
}

/** There's no context of that name. */
export function noContext(name: string, contexts: ContextsFile['contexts'], from = ''): AgentError {
  const near = suggestWord(name, [...contexts.keys(), LOCAL_CONTEXT]);
  const hint = near === undefined ? '"muster context ls" shows them' : `did you mean "${near}"?`;
  return new AgentError(
    'NOT_FOUND',
    `Cannot find the context "${name.slice(0, 200)}"${from}: expected one that was added; ${hint}`,
  );
}
