import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { cachedName, ensureCached } from './base-tree.ts';
import { endsWithUs, killGroup } from './command.ts';
import type { ControlGroup } from './control-groups.ts';
import { type Image, imageRecipes, makeImage, manifestType } from './registry-images.ts';

/** Who may pull from a lab's private registry. */
export const registryUser = { user: 'muster', password: 'lab-password' } as const;

/** bcrypt of the password above. */
const htpasswd = 'muster:$2y$05$.kJmAcuueRwI.mfnPxDtieron7mToVe3MeLBj2Ewoavfu/2QHzQ5q\n';

/** The store that each lab's registry begins with. The caller holds the cache's lock. */
export async function ensureRegistryStore(progress: (line: string) => void): Promise<string> {
  return ensureCached(cachedName('registry', [3, imageRecipes]), async (directory) => {
    const scratch = join(directory, 'scratch');
    await mkdir(scratch);
    const port = 15_000 + (process.pid % 10_000);
    const child = await startRegistry({
      directory: scratch,
      store: directory,
      address: '127.0.0.1',
      port,
      isPrivate: false,
    });
    try {
      for (const recipe of imageRecipes) {
        progress(`image ${recipe.name}:1 from Debian packages ...`);
        const image = await makeImage(recipe, scratch);
        for (const repository of [recipe.name, `library/${recipe.name}`]) {
          await push(`http://127.0.0.1:${port}`, repository, image);
        }
      }
    } finally {
      killGroup(child);
    }
    await rm(scratch, { recursive: true });
  });
}

/** Where a registry runs and what it serves. */
export interface RegistryOptions {
  /** For its configuration and log. */
  readonly directory: string;
  readonly store: string;
  readonly address: string;
  readonly port: number;
  readonly isPrivate: boolean;
  readonly group?: ControlGroup;
}

/** Starts a registry and waits until it answers; returns its process group, which ends with its control group or else with this process. */
export async function startRegistry(options: RegistryOptions): Promise<number> {
  const { directory, store, address, port, isPrivate, group } = options;
  const access = join(directory, 'htpasswd');
  await writeFile(access, htpasswd);
  const configuration = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: store }, delete: { enabled: true } },
    http: { addr: `${address}:${port}` },
    ...(isPrivate ? { auth: { htpasswd: { realm: 'lab', path: access } } } : {}),
  };
  const file = join(directory, `registry-${port}.json`);
  await writeFile(file, JSON.stringify(configuration));
  const log = openSync(join(directory, `registry-${port}.log`), 'a');
  const argv = ['docker-registry', 'serve', file];
  const [program = '', ...args] = group === undefined ? [...endsWithUs, ...argv] : group.wrap(argv);
  const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true });
  child.unref();
  await eventually(`registry on ${address}:${port}`, 10_000, async () => {
    const { status } = await fetch(`http://${address}:${port}/v2/`, { signal: AbortSignal.timeout(1000) });
    return status === (isPrivate ? 401 : 200);
  });
  if (child.pid === undefined) throw new Error('Cannot start the registry: expected a process');
  return child.pid;
}

/** A copy of the cached store, since labs may push. */
export async function copyStore(cached: string, directory: string): Promise<void> {
  await cp(cached, directory, { recursive: true });
}

async function push(base: string, repository: string, image: Image): Promise<void> {
  for (const { bytes, digest } of [image.layer, image.config]) {
    const begun = await request(`${base}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(begun.headers.get('location') ?? '', base);
    location.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    await request(location.href, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  }
  for (const tag of ['1', 'latest']) {
    const headers = { 'content-type': manifestType };
    const body = new Uint8Array(image.manifest.bytes);
    await request(`${base}/v2/${repository}/manifests/${tag}`, { method: 'PUT', headers, body });
  }
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.ok) return response;
  throw new Error(`Cannot push to "${url}": ${response.status} ${await response.text()}`);
}
