import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cachedName, ensureCached } from './base-tree.ts';
import { repository } from './paths.ts';

/** The dead man's switch: where each file of it goes. */
export const switchFiles: Readonly<Record<string, string>> = {
  'units/muster-switch.service': 'etc/systemd/system/muster-switch.service',
  'units/muster-lease.target': 'etc/systemd/system/muster-lease.target',
  'units/muster-fence.target': 'etc/systemd/system/muster-fence.target',
  'units/muster-fence.service': 'etc/systemd/system/muster-fence.service',
  'units/muster.slice': 'etc/systemd/system/muster.slice',
  'units/muster-stop.slice': 'etc/systemd/system/muster-stop.slice',
  'units/muster-switch.sh': 'etc/muster/switch.sh',
  'units/muster-sleep.service': 'etc/systemd/system/muster-sleep.service',
};

/** What README's "Baking the image" puts into an image, and where. */
const baked: Readonly<Record<string, string>> = {
  'units/muster.service': 'etc/systemd/system/muster.service',
  ...switchFiles,
  'units/muster.sysusers': 'usr/lib/sysusers.d/muster.conf',
};

/** The executable that nodes run unless a lab is given another. */
export const builtExecutable = join(repository, 'dist', 'muster');

/** The directory that turns a plain Debian into an image with muster. The caller holds the cache's lock. */
export async function ensureImageLayer(executable: string): Promise<string> {
  if (!existsSync(executable)) {
    throw new Error(`Cannot open a lab with "${executable}": expected the built executable, see "npm run build"`);
  }
  const files = Object.entries({ ...baked, [executable]: 'usr/local/bin/muster' });
  const sources = files.map(([from, to]) => ({ from: from.startsWith('/') ? from : join(repository, from), to }));
  const hashes = await Promise.all(sources.map(async ({ from, to }) => [to, await hashFile(from)]));
  return ensureCached(cachedName('image', hashes), async (directory) => {
    for (const { from, to } of sources) {
      await mkdir(join(directory, dirname(to)), { recursive: true });
      await cp(from, join(directory, to));
      await chmod(join(directory, to), to.endsWith('/bin/muster') ? 0o755 : 0o644);
    }
  });
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
