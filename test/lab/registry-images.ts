import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';

/** How an image is made from Debian packages of this machine's release. */
export interface ImageRecipe {
  readonly name: string;
  readonly packages: readonly string[];
  /** The programs kept from the packages, with the libraries they need. */
  readonly programs: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly directories: readonly string[];
  /** The image's configuration as Docker has it: what runs, in which environment. */
  readonly config: Readonly<Record<string, unknown>>;
}

const nginxConf = `daemon off;
user root;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 256; }
http {
  access_log /dev/stdout;
  default_type text/plain;
  server {
    listen 80;
    location / { return 200 "hello from $hostname\\n"; }
  }
}
`;

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Every image has busybox' programs: the dynamic one, since the static one crashes in name lookups. */
const busybox = '/bin/busybox';
const common = ['busybox', 'libc6'];
const loader = '/lib64/ld-linux-x86-64.so.2';

/** The images that each lab's registry has, as `<name>:1`. */
export const imageRecipes: readonly ImageRecipe[] = [
  {
    name: 'busybox',
    packages: [],
    programs: [],
    files: {},
    directories: [],
    config: { Cmd: ['sh'], Env: [path] },
  },
  {
    name: 'nginx',
    packages: ['nginx', 'libpcre2-8-0', 'libssl3', 'zlib1g', 'libcrypt1'],
    programs: ['/usr/sbin/nginx'],
    files: { 'etc/nginx/nginx.conf': nginxConf },
    directories: ['var/lib/nginx', 'var/log/nginx'],
    config: { Cmd: ['nginx'], Env: [path], ExposedPorts: { '80/tcp': {} }, StopSignal: 'SIGQUIT' },
  },
  {
    name: 'redis',
    packages: [
      ...['redis-tools', 'libjemalloc2', 'liblzf1', 'libsystemd0', 'libatomic1', 'libssl3'],
      ...['libcap2', 'libgcrypt20', 'libgpg-error0', 'liblz4-1', 'liblzma5', 'libzstd1', 'libgcc-s1', 'libstdc++6'],
    ],
    programs: ['/usr/bin/redis-check-rdb', '/usr/bin/redis-cli'],
    files: {},
    directories: ['data'],
    config: {
      Cmd: ['redis-server', '--dir', '/data', '--appendonly', 'yes', '--protected-mode', 'no'],
      Env: [path],
      ExposedPorts: { '6379/tcp': {} },
      Volumes: { '/data': {} },
      WorkingDir: '/data',
    },
  },
];

/** A blob of the registry. */
export interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

/** An image, ready to be pushed. */
export interface Image {
  readonly name: string;
  readonly layer: Blob;
  readonly config: Blob;
  readonly manifest: Blob;
}

/** The media type of `Image.manifest`. */
export const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

/** Makes an image of one layer, the same bytes each time from the same packages, which apt downloads. */
export async function makeImage(recipe: ImageRecipe, scratch: string): Promise<Image> {
  const unpacked = join(scratch, `${recipe.name}-unpacked`);
  const root = join(scratch, `${recipe.name}-root`);
  const packages = [...common, ...recipe.packages];
  const debs = join(scratch, `${recipe.name}-debs`);
  await mkdir(debs);
  await mkdir(unpacked);
  await download(packages, debs);
  for (const name of packages) {
    const file = (await readdir(debs)).find((entry) => entry.startsWith(`${name}_`));
    if (file === undefined)
      throw new Error(`Cannot make image "${recipe.name}": expected package "${name}" in ${debs}`);
    await command(['dpkg', '-x', join(debs, file), unpacked]);
  }
  await fillRoot(recipe, unpacked, root);
  const tar = join(scratch, `${recipe.name}.tar`);
  const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];
  await command(['tar', '-C', root, ...reproducible, '-cf', tar, '.']);
  const uncompressed = blob(await readFile(tar));
  await command(['gzip', '-n', '-1', tar]);
  return describe(recipe, uncompressed.digest, blob(await readFile(`${tar}.gz`)));
}

/** Into the folder; once more after an update, if apt's lists are older than the mirror. */
async function download(packages: readonly string[], directory: string): Promise<void> {
  const argv = ['apt-get', '-o', 'APT::Sandbox::User=root', 'download', ...packages];
  const { exitCode } = await command(argv, { cwd: directory, reject: false });
  if (exitCode === 0) return;
  await command(['apt-get', 'update']);
  await command(argv, { cwd: directory });
}

/** A root with busybox' programs, the recipe's own and the libraries that they need, and the few files that any program expects. */
async function fillRoot(recipe: ImageRecipe, unpacked: string, root: string): Promise<void> {
  for (const directory of ['bin', 'etc', 'run', 'tmp', 'root', 'usr/bin', 'usr/sbin', 'var', ...recipe.directories]) {
    await mkdir(join(root, directory), { recursive: true });
  }
  await chmod(join(root, 'tmp'), 0o1777);
  await copyPrograms([busybox, ...recipe.programs], unpacked, root);
  const { stdout } = await command(['chroot', root, busybox, '--list']);
  for (const applet of stdout.split('\n')) if (applet !== 'busybox') await symlink(busybox, join(root, 'bin', applet));
  const files = {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
    'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    ...recipe.files,
  };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(root, file, '..'), { recursive: true });
    await writeFile(join(root, file), text);
  }
  // The check programs and the server are one executable under several names.
  if (recipe.name === 'redis') await rename(join(root, 'usr/bin/redis-check-rdb'), join(root, 'usr/bin/redis-server'));
}

async function copyPrograms(programs: readonly string[], unpacked: string, root: string): Promise<void> {
  // The unpacked packages are a root of their own once they have the links of a merged /usr.
  await mergeUsr(unpacked);
  await mergeUsr(root);
  const libraries = new Set([loader]);
  for (const program of programs) {
    const { stdout } = await command(['chroot', unpacked, loader, '--list', program]);
    if (stdout.includes('not found'))
      throw new Error(`Cannot make an image with "${program}": expected all of\n${stdout}`);
    for (const [, found] of stdout.matchAll(/=> (\/\S+)/g)) if (found !== undefined) libraries.add(found);
  }
  for (const file of [...programs, ...libraries]) {
    await mkdir(join(root, file, '..'), { recursive: true });
    await cp(join(unpacked, file), join(root, file), { dereference: true });
  }
}

async function mergeUsr(root: string): Promise<void> {
  for (const name of ['lib', 'lib64']) {
    await mkdir(join(root, 'usr', name), { recursive: true });
    await command(['cp', '-a', `${join(root, name)}/.`, join(root, 'usr', name)], { reject: false });
    await rm(join(root, name), { recursive: true, force: true });
    await symlink(`usr/${name}`, join(root, name));
  }
}

function describe(recipe: ImageRecipe, diffId: string, layer: Blob): Image {
  const config = blob(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: recipe.config,
        rootfs: { type: 'layers', diff_ids: [diffId] },
        history: [{ created: '1970-01-01T00:00:00Z', created_by: 'muster lab' }],
      }),
    ),
  );
  const layerType = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      size: config.bytes.length,
      digest: config.digest,
    },
    layers: [{ mediaType: layerType, size: layer.bytes.length, digest: layer.digest }],
  };
  return { name: recipe.name, layer, config, manifest: blob(Buffer.from(JSON.stringify(manifest))) };
}

function blob(bytes: Buffer): Blob {
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}
