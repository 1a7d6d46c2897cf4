import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command, endsWithUs } from './command.ts';
import { cacheRoot } from './paths.ts';

/** The etcd that the nodes' image has: Debian bookworm's own, or trixie's. */
export type EtcdVersion = '3.4' | '3.5';

/** Change anything here and the tree is built anew. */
const recipe = {
  version: 2,
  suite: 'bookworm',
  packages: [
    'systemd',
    'systemd-sysv',
    'dbus',
    'cloud-init',
    'python3-cffi-backend',
    'docker.io',
    'etcd-server',
    'etcd-client',
    'iproute2',
    'iptables',
    'libatomic1',
    'ca-certificates',
    'less',
    'procps',
    'curl',
  ],
  /** Of no use in a machine without devices or a package mirror, and they cost time at boot. */
  masked: [
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'e2scrub_reap.service',
    'fstrim.timer',
    'systemd-pstore.service',
    'getty.target',
    'console-getty.service',
    'systemd-firstboot.service',
    'systemd-binfmt.service',
    'systemd-modules-load.service',
    'systemd-update-utmp.service',
    'systemd-update-utmp-runlevel.service',
    'cloud-init-hotplugd.socket',
    'proc-sys-fs-binfmt_misc.automount',
    'sys-kernel-debug.mount',
    'sys-kernel-tracing.mount',
    'sys-kernel-config.mount',
    'sys-fs-fuse-connections.mount',
    'dev-hugepages.mount',
  ],
  disabled: ['multi-user.target.wants/etcd.service', 'etcd2.service'],
  removed: ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man', 'usr/share/locale', 'etc/hostname'],
  files: { 'etc/cloud/cloud.cfg.d/99_image.cfg': 'datasource_list: [NoCloud]\nlocale: false\n' },
};

/** Directories under the cache that labs mount, by the hash of how they are made. */
export function cachedName(kind: string, howMade: unknown): string {
  return `${kind}-${createHash('sha256').update(JSON.stringify(howMade)).digest('hex').slice(0, 16)}`;
}

/** Makes a cached directory unless it is there: whole or not at all. The caller holds the cache's lock. */
export async function ensureCached(name: string, make: (directory: string) => Promise<void>): Promise<string> {
  const directory = join(cacheRoot, name);
  if (existsSync(directory)) return directory;
  const unfinished = join(cacheRoot, `unfinished-${name}-${randomBytes(4).toString('hex')}`);
  await mkdir(unfinished, { recursive: true });
  try {
    await make(unfinished);
    await rename(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return directory;
}

/** The lower directories of a node's root that don't depend on muster, topmost first. The caller holds the cache's lock. */
export async function ensureBaseTree(etcd: EtcdVersion, progress: (line: string) => void): Promise<string[]> {
  const base = await ensureCached(cachedName('base', recipe), async (directory) => buildBase(directory, progress));
  if (etcd === '3.4') return [base];
  const layer = await ensureCached(cachedName('etcd-3.5', 1), async (directory) => buildEtcdLayer(directory, progress));
  return [layer, base];
}

async function buildBase(directory: string, progress: (line: string) => void): Promise<void> {
  progress(`debootstrap ${recipe.suite}, ${recipe.packages.length} packages and what they need (about 70 s) ...`);
  const packages = join(cacheRoot, 'debs');
  await mkdir(packages, { recursive: true });
  await command(
    [
      // Its mounts and processes are its own, and end with this process, however that ends.
      ...[...endsWithUs, 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
      'debootstrap',
      '--variant=minbase',
      `--cache-dir=${packages}`,
      `--include=${recipe.packages.join(',')}`,
      recipe.suite,
      directory,
      await debianMirror(),
    ],
    { timeoutMs: 15 * 60_000 },
  );
  for (const path of recipe.removed) await rm(join(directory, path), { recursive: true, force: true });
  await truncate(join(directory, 'etc/machine-id'));
  await mkdir(join(directory, 'var/log/journal'), { recursive: true });
  const units = join(directory, 'etc/systemd/system');
  for (const path of recipe.disabled) await rm(join(units, path), { force: true });
  for (const unit of recipe.masked) {
    await rm(join(units, unit), { force: true });
    await symlink('/dev/null', join(units, unit));
  }
  for (const [path, text] of Object.entries(recipe.files)) await writeFile(join(directory, path), text);
  progress('base tree: done');
}

/** The mirror that this machine itself uses for Debian. */
async function debianMirror(): Promise<string> {
  const format = '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)';
  const { stdout } = await command(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages']);
  const rows = stdout.split('\n').map((line) => line.split(' '));
  const [uri] = rows.find(([, codename, component, origin]) => {
    return codename === recipe.suite && component === 'main' && origin === 'Debian';
  }) ?? [undefined];
  if (uri === undefined) throw new Error(`Cannot find a Debian mirror: expected ${recipe.suite} in apt's sources`);
  return uri;
}

async function buildEtcdLayer(directory: string, progress: (line: string) => void): Promise<void> {
  progress('etcd 3.5 from trixie ...');
  const scratch = join(directory, 'scratch');
  for (const path of ['lists/partial', 'cache/archives/partial', 'out', 'tree']) {
    await mkdir(join(scratch, path), { recursive: true });
  }
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(join(scratch, 'sources.list'), `deb [signed-by=${keyring}] ${await debianMirror()} trixie main\n`);
  await writeFile(join(scratch, 'status'), '');
  const settings = {
    'Dir::Etc::sourcelist': join(scratch, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(scratch, 'lists'),
    'Dir::State::status': join(scratch, 'status'),
    'Dir::Cache': join(scratch, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  const apt = ['apt-get', ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])];
  await command([...apt, 'update']);
  await command([...apt, 'download', 'etcd-server', 'etcd-client'], { cwd: join(scratch, 'out') });
  for (const file of await readdir(join(scratch, 'out'))) {
    await command(['dpkg', '-x', join(scratch, 'out', file), join(scratch, 'tree')]);
  }
  await mkdir(join(directory, 'usr/bin'), { recursive: true });
  for (const name of ['etcd', 'etcdctl']) {
    await cp(join(scratch, 'tree/usr/bin', name), join(directory, 'usr/bin', name));
  }
  await rm(scratch, { recursive: true });
}

/** Removes cached directories that neither this lab nor one that is up uses. The caller holds the cache's lock. */
export async function pruneCache(used: readonly string[], stateFiles: readonly string[]): Promise<void> {
  const texts = await Promise.all(stateFiles.map(async (file) => readFile(file, 'utf8').catch(() => '')));
  const entries = await readdir(cacheRoot);
  const stale = entries.filter((entry) => {
    if (!/^(base|image|registry|unfinished)-/.test(entry)) return false;
    return !used.includes(join(cacheRoot, entry)) && !texts.some((text) => text.includes(entry));
  });
  for (const entry of stale) await rm(join(cacheRoot, entry), { recursive: true, force: true });
}
