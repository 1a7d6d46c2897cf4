import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  globSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './children.ts';
import { type PackagedFile, packagedFiles } from './debian-files.ts';
import { root } from './paths.ts';

/** What the package is made of; the defaults are `npm run package`. */
export interface PackageOptions {
  readonly executable: string;
  /** Where `muster_<version>_<architecture>.deb` goes. */
  readonly folder: string;
  /** `none` is quick, and large. */
  readonly compression?: 'xz' | 'none';
  /** Seconds since 1970: no file of it is of another time. Left out: the commit's time, or SOURCE_DATE_EPOCH. */
  readonly epochS?: number;
}

const architectures: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', arm64: 'arm64' };

const summary = 'VMs that carry the same cluster ID become one cluster';
const description = [
  'Machines that run its agent muster through etcd into one cluster, which runs',
  'systemd units and Docker containers: it decides where, starts and stops them',
  'there, and when a machine dies, starts elsewhere what it ran. One executable',
  'is agent and tool.',
];

/** Builds a Debian package; the same inputs give the same bytes. Returns its path. */
export async function buildDebianPackage(options: PackageOptions): Promise<string> {
  const { executable, folder, compression = 'xz' } = options;
  const epochS = options.epochS ?? (await readEpochS());
  const version = await readVersion(epochS);
  const architecture = architectures[process.arch];
  if (architecture === undefined)
    throw new Error(`Cannot package for "${process.arch}": expected ${Object.keys(architectures).join(' or ')}`);
  const outFile = join(folder, `muster_${version}_${architecture}.deb`);
  mkdirSync(folder, { recursive: true });
  const stage = mkdtempSync(join(folder, '.package-'));
  try {
    const files = packagedFiles(executable, debianChangelog(version, epochS));
    for (const file of files) place(stage, file);
    writeControl(stage, files, { version, architecture });
    dateAll(stage, epochS);
    // One thread: with more, the bytes would depend on their number.
    const build = ['dpkg-deb', '--root-owner-group', `-Z${compression}`, '--threads-max=1', '--build', stage];
    await mustRun(['env', `SOURCE_DATE_EPOCH=${epochS}`, ...build, `${stage}.deb`]);
    renameSync(`${stage}.deb`, outFile);
    return outFile;
  } finally {
    rmSync(stage, { recursive: true });
    rmSync(`${stage}.deb`, { force: true });
  }
}

function place(stage: string, { path, mode, content }: PackagedFile): void {
  const to = join(stage, path);
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  if (Buffer.isBuffer(content)) writeFileSync(to, content);
  else copyFileSync(content.copyOf, to);
  chmodSync(to, mode);
}

function writeControl(
  stage: string,
  files: readonly PackagedFile[],
  { version, architecture }: { readonly version: string; readonly architecture: string },
): void {
  const folder = join(stage, 'DEBIAN');
  mkdirSync(folder, { mode: 0o755 });
  const sizeKib = files.reduce((sum, { path }) => sum + Math.ceil(statSync(join(stage, path)).size / 1024), 0);
  const fields = [
    'Package: muster',
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    'Maintainer: The muster developers <muster@packages.invalid>',
    `Installed-Size: ${sizeKib}`,
    'Depends: libc6 (>= 2.28), libatomic1, libgcc-s1, libstdc++6 (>= 9), systemd (>= 249), dbus',
    'Recommends: docker.io | docker-ce',
    'Suggests: etcd-server, bash-completion',
    'Section: admin',
    'Priority: optional',
    `Description: ${summary}`,
    ...description.map((line) => ` ${line}`),
  ];
  writeFileSync(join(folder, 'control'), `${fields.join('\n')}\n`);
  const sums = files.map(({ path }) => `${md5(join(stage, path))}  ${path}\n`);
  writeFileSync(join(folder, 'md5sums'), sums.sort((a, b) => (a.slice(34) < b.slice(34) ? -1 : 1)).join(''));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    copyFileSync(join(root, 'packaging', 'debian', script), join(folder, script));
    chmodSync(join(folder, script), 0o755);
  }
  for (const name of ['control', 'md5sums']) chmodSync(join(folder, name), 0o644);
}

/** dpkg checks with it whether files are still what they were; against those who mean harm there's the archive's signature. */
function md5(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}

function dateAll(stage: string, epochS: number): void {
  for (const name of globSync('**/*', { cwd: stage })) {
    const path = join(stage, name);
    if (statSync(path).isDirectory()) chmodSync(path, 0o755); // whatever the umask is
    lutimesSync(path, epochS, epochS);
  }
  chmodSync(stage, 0o755);
  lutimesSync(stage, epochS, epochS);
}

/** When the commit was made: the time of everything in the package. */
async function readEpochS(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH'];
  const text = given ?? (await git(['log', '-1', '--format=%ct']));
  if (text !== undefined && /^\d{1,11}$/.test(text)) return Number(text);
  throw new Error('Cannot date the package: expected a git commit, or SOURCE_DATE_EPOCH in seconds since 1970');
}

/** The version of package.json; of a commit that isn't tagged with it, one before it that grows with the commits' times. No commit: a release's files. */
async function readVersion(epochS: number): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const changes = await git(['status', '--porcelain', '--', 'src', 'units', 'docs', 'packaging', 'package-lock.json']);
  if (changes === undefined) return version;
  const tags = (await git(['tag', '--points-at', 'HEAD'])) ?? '';
  if (changes === '' && tags.split('\n').includes(`v${version}`)) return version;
  const commit = (await git(['rev-parse', '--short=12', 'HEAD'])) ?? 'unknown';
  const time = new Date(epochS * 1000).toISOString().replace(/\D/g, '').slice(0, 14);
  return `${version}~git${time}.${commit}${changes === '' ? '' : '.dirty'}`;
}

function debianChangelog(version: string, epochS: number): string {
  const date = new Date(epochS * 1000).toUTCString().replace('GMT', '+0000');
  const change = '  * What operators can notice is in NEWS.md.gz.';
  return `muster (${version}) unstable; urgency=medium\n\n${change}\n\n -- The muster developers <muster@packages.invalid>  ${date}\n`;
}

/** Undefined where there's no repository. */
async function git(args: readonly string[]): Promise<string | undefined> {
  const { code, output } = await runCommand(['git', ...args], { stdio: 'pipe' });
  return code === 0 ? output.trim() : undefined;
}

async function mustRun(command: readonly string[]): Promise<void> {
  const { code, output } = await runCommand(command, { stdio: 'pipe' });
  if (code !== 0) throw new Error(`Cannot package: "${command.join(' ')}" ended with ${code}\n${output}`);
}
