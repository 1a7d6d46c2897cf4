import { readFile } from 'node:fs/promises';
import { errorText } from '../../domain/errors.ts';
import { assertCanSpawn } from '../../host/assert-can-spawn.ts';
import type { Log } from '../../loop/log.ts';

/** Where this host's registry credentials are. */
export interface RegistryAuthOptions {
  /** Files as `docker login` writes them; the first that knows the registry is used. Read anew for each question. */
  readonly configPaths: readonly string[];
  readonly log: Log;
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string } | undefined>>;
  readonly credHelpers?: Readonly<Record<string, string | undefined>>;
  readonly credsStore?: string;
}

interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/** How docker login files the default registry. */
const defaultRegistryUrl = 'https://index.docker.io/v1/';
const helperLimitMs = 10_000;

/** The value of X-Registry-Auth for a registry; undefined when this host has no credentials for it. */
export async function readRegistryAuth(
  registry: string,
  options: RegistryAuthOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const server = registry === 'docker.io' ? defaultRegistryUrl : registry;
  for (const path of options.configPaths) {
    const config = await readConfig(path, options.log);
    const credentials = config && (await findCredentials(config, server, options.log, signal));
    if (credentials) return encode({ ...credentials, serveraddress: server });
  }
  return undefined;
}

/** Docker wants the URL-safe alphabet and the padding; without it, it drops the credentials and says nothing. */
function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

async function readConfig(path: string, log: Log): Promise<DockerConfig | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as DockerConfig;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') {
      // What JSON.parse says quotes the text around the mistake: a secret, perhaps.
      const reason = error instanceof SyntaxError ? 'expected JSON' : errorText(error);
      log.warn({ path, err: reason }, 'registry credentials unreadable');
    }
    return undefined;
  }
}

async function findCredentials(
  config: DockerConfig,
  server: string,
  log: Log,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const helper = config.credHelpers?.[hostOf(server)] ?? config.credsStore;
  if (helper !== undefined) {
    const credentials = await askHelper(helper, server, log, signal);
    if (credentials) return credentials;
  }
  const filed = Object.entries(config.auths ?? {}).find(([name]) => name === server || hostOf(name) === hostOf(server));
  return filed?.[1] && decodeAuth(filed[1]);
}

/** Files hold plain hosts and, from older versions, whole URLs. */
function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function decodeAuth(entry: { readonly auth?: string; readonly identitytoken?: string }): Credentials | undefined {
  if (entry.identitytoken) return { identitytoken: entry.identitytoken };
  const text = Buffer.from(entry.auth ?? '', 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** Asks `docker-credential-<helper>`, which has the secret in a keyring or makes one for the cloud's registry. */
async function askHelper(
  helper: string,
  server: string,
  log: Log,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(helper)) return undefined;
  try {
    const { execa } = await import('execa'); // only hosts with a helper pay for it
    const command = `docker-credential-${helper}`;
    assertCanSpawn(command);
    const { stdout } = await execa(command, ['get'], { input: server, timeout: helperLimitMs, cancelSignal: signal });
    const { Username: username, Secret: secret } = JSON.parse(stdout) as { Username?: string; Secret?: string };
    if (secret === undefined || secret === '') return undefined;
    return username === '<token>' ? { identitytoken: secret } : { username: username ?? '', password: secret };
  } catch (error) {
    signal.throwIfAborted();
    // Its message would quote what the helper wrote.
    log.debug(
      { helper, server, err: error instanceof Error ? error.name : 'unknown' },
      'credential helper gave nothing',
    );
    return undefined;
  }
}
