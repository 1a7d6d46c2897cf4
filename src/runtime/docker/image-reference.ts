import { AgentError } from '../../domain/errors.ts';

/** An image reference in its parts. */
export interface ImageReference {
  /** As it was written, without tag and digest: what Docker wants to be asked for. */
  readonly repository: string;
  /** The registry's host as credentials are filed under: `docker.io` where none is written. */
  readonly registry: string;
  readonly tag?: string;
  readonly digest?: string;
}

// Strict: it becomes part of a request's path, and dockerode follows a redirect by throwing where nobody can catch it.
const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const host = '(?:[A-Za-z0-9][A-Za-z0-9.-]*|\\[[0-9A-Fa-f:]+\\])(?::\\d+)?';
const grammar = new RegExp(
  `^(?<repository>(?:${host}/)?${part}(?:/${part})*)(?::(?<tag>\\w[\\w.-]{0,127}))?(?:@(?<digest>[a-z0-9+._-]+:[0-9a-f]{32,}))?$`,
);

/** Splits `[host[:port]/]name[:tag][@digest]`, as docker(1) reads it. */
export function parseImageReference(image: string): ImageReference {
  const match = grammar.exec(image);
  const { repository, tag, digest } = match?.groups ?? {};
  if (repository === undefined) {
    throw new AgentError('INVALID_INPUT', `Cannot use image "${image}": expected [host/]name[:tag][@digest]`);
  }
  const [first = '', ...rest] = repository.split('/');
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return {
    repository,
    registry: hasHost ? first : 'docker.io',
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** What a registry must be asked for: a digest, else a tag, else `latest`. */
export function wantedVersion(reference: ImageReference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}
