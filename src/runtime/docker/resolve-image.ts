import { AgentError, errorText } from '../../domain/errors.ts';
import type { Log } from '../../loop/log.ts';
import type { Engine } from './engine.ts';
import { type ImageReference, parseImageReference, wantedVersion } from './image-reference.ts';
import { type RegistryAuthOptions, readRegistryAuth } from './registry-auth.ts';

const registryLimitMs = 20_000;

/** What resolving needs. */
export interface ResolveOptions {
  readonly engine: Engine;
  readonly auth: RegistryAuthOptions;
  readonly log: Log;
}

/**
 * `repository@digest` of an image: what its registry says, else (the registry can't be asked) what this host last pulled.
 * Undefined when neither knows: then each node runs what the tag means to it. `NOT_FOUND` when the registry has no such image.
 */
export async function resolveImage(
  image: string,
  options: ResolveOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { engine, log } = options;
  const reference = parseImageReference(image);
  const { repository, digest } = reference;
  if (digest !== undefined) return `${repository}@${digest}`;
  const asked = await askRegistry(reference, options, signal);
  if (asked.digest !== undefined) return `${repository}@${asked.digest}`;
  const local = await engine.call({ method: 'GET', path: `/images/${tagged(reference)}/json` }, signal);
  if (local.status === 404 && asked.status === 404) {
    throw new AgentError('NOT_FOUND', `Cannot resolve image "${image}": ${asked.message}`);
  }
  log.info({ image, status: asked.status, said: asked.message }, 'image not resolved by its registry');
  const { RepoDigests: digests } = (local.body ?? {}) as { RepoDigests?: readonly string[] | null };
  return digests?.find((text) => text.startsWith(`${repository}@`));
}

/** True when this host has the very image. */
export async function hasImage(engine: Engine, image: string, signal: AbortSignal): Promise<boolean> {
  const { repository, tag, digest } = parseImageReference(image);
  const name = digest === undefined ? `${repository}:${tag ?? 'latest'}` : `${repository}@${digest}`;
  const reply = await engine.call({ method: 'GET', path: `/images/${name}/json` }, signal);
  return reply.status === 200;
}

async function askRegistry(
  reference: ImageReference,
  { engine, auth }: ResolveOptions,
  signal: AbortSignal,
): Promise<{ readonly digest?: string; readonly status: number; readonly message: string }> {
  const registryAuth = await readRegistryAuth(reference.registry, auth, signal);
  const path = `/distribution/${tagged(reference)}/json`;
  const call = { method: 'GET', path, limitMs: registryLimitMs, ...(registryAuth && { registryAuth }) } as const;
  const reply = await engine.call(call, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    return { status: 0, body: undefined, message: errorText(error) }; // the registry is slow, or Docker away: the next call tells
  });
  const { Descriptor: descriptor } = (reply.body ?? {}) as { Descriptor?: { digest?: string } };
  const digest = reply.status === 200 ? descriptor?.digest : undefined;
  return { ...(digest !== undefined && { digest }), status: reply.status, message: reply.message };
}

function tagged(reference: ImageReference): string {
  return `${reference.repository}:${wantedVersion(reference)}`;
}
