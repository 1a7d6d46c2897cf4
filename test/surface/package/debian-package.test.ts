import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { buildDebianPackage } from '../../../scripts/lib/debian-package.ts';
import { root } from '../../../scripts/lib/paths.ts';
import { completionScripts } from '../../../src/cli/completion-scripts.ts';
import { readConfig } from '../../../src/config/read-config.ts';

const run = promisify(execFile);
const epochS = 1_750_000_000;

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-package-'));
  t.after(async () => rm(folder, { recursive: true }));
  return folder;
}

/** A package of what isn't the real executable, which takes a minute to build and another to compress. */
async function makePackage(t: TestContext, compression: 'xz' | 'none' = 'none') {
  const folder = await makeFolder(t);
  const executable = join(folder, 'stand-in');
  await writeFile(executable, '#!/bin/sh\necho "$@"\n', { mode: 0o700 });
  const file = await buildDebianPackage({ executable, folder, compression, epochS });
  const unpacked = join(folder, 'unpacked');
  await run('dpkg-deb', ['-R', file, unpacked]);
  return { folder, executable, file, text: async (path: string) => readFile(join(unpacked, path), 'utf8'), unpacked };
}

const units = ['muster.service', 'muster-switch.service', 'muster-lease.target', 'muster-stop.slice'];
const expected: readonly (readonly [mode: string, path: string])[] = [
  ['-rwxr-xr-x', 'usr/bin/muster'],
  ['-rwxr-xr-x', 'usr/lib/muster/switch.sh'],
  ...units.map((name) => ['-rw-r--r--', `usr/lib/systemd/system/${name}`] as const),
  ['-rw-r--r--', 'usr/lib/sysusers.d/muster.conf'],
  ['-rw-r--r--', 'usr/share/man/man1/muster.1.gz'],
  ['-rw-r--r--', 'usr/share/bash-completion/completions/muster'],
  ['-rw-r--r--', 'usr/share/zsh/vendor-completions/_muster'],
  ['-rw-r--r--', 'usr/share/fish/vendor_completions.d/muster.fish'],
  ['-rw-r--r--', 'usr/share/doc/muster/copyright'],
  ['-rw-r--r--', 'usr/share/doc/muster/third-party-licenses.gz'],
  ['-rw-r--r--', 'usr/share/doc/muster/examples/muster.yaml'],
  ['drwxr-xr-x', 'usr/share/doc/muster/examples/'],
];

test('the package has everything in its place, as root owns it, and nothing in /etc', async (t) => {
  const { file } = await makePackage(t);
  const { stdout } = await run('dpkg-deb', ['-c', file]);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ +/));
  assert.deepEqual(new Set(lines.map(([, owner]) => owner)), new Set(['root/root']));
  const modes = new Map(lines.map(([mode, , , , , path = '']) => [path.slice(2), mode]));
  for (const [mode, path] of expected) assert.equal(modes.get(path), mode, path);
  for (const name of await readdir(join(root, 'units'))) {
    const isUnit = /\.(service|target|slice)$/.test(name);
    if (isUnit) assert.ok(modes.has(`usr/lib/systemd/system/${name}`), name);
  }
  assert.deepEqual(
    [...modes.keys()].filter((path) => !path.startsWith('usr/') && path !== ''),
    [],
  );
});

test('control says what it is and needs, for this machine', async (t) => {
  const { file, text } = await makePackage(t);
  const control = await text('DEBIAN/control');
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const { stdout: architecture } = await run('dpkg', ['--print-architecture']);
  assert.match(control, /^Package: muster$/m);
  assert.match(control, new RegExp(`^Version: ${version}(~git\\d{14}\\.[0-9a-f]{12}(\\.dirty)?)?$`, 'm'));
  assert.match(control, new RegExp(`^Architecture: ${architecture.trim()}$`, 'm'));
  assert.match(control, /^Depends: .*libatomic1.*systemd \(>= 249\)/m);
  assert.match(basename(file), new RegExp(`^muster_.*_${architecture.trim()}\\.deb$`));
  assert.match(await text('DEBIAN/md5sums'), /^[0-9a-f]{32} {2}usr\/bin\/muster$/m);
});

test('units call what the package brings, not what an image was baked with', async (t) => {
  const { text } = await makePackage(t);
  assert.match(await text('usr/lib/systemd/system/muster.service'), /^ExecStart=\/usr\/bin\/muster agent$/m);
  const held = await text('usr/lib/systemd/system/muster-switch.service');
  assert.match(held, /^ExecStart=\/bin\/bash \/usr\/lib\/muster\/switch\.sh hold$/m);
  for (const name of await readdir(join(root, 'units'))) {
    if (!/\.(service|target|slice)$/.test(name)) continue;
    const [baked, packaged] = [
      await readFile(join(root, 'units', name), 'utf8'),
      await text(`usr/lib/systemd/system/${name}`),
    ];
    assert.doesNotMatch(packaged, /\/usr\/local\/|\/etc\/muster\/switch|Install to/, name);
    const settings = (unit: string) => unit.split('\n').filter((line) => !line.startsWith('#')).length;
    assert.equal(settings(packaged), settings(baked), name);
  }
  assert.match(await text('usr/lib/sysusers.d/muster.conf'), /^g muster -$/m);
});

test('the man page, the completions and the example are those of this version', async (t) => {
  const { text, unpacked } = await makePackage(t);
  const unzip = async (path: string) => gunzipSync(await readFile(join(unpacked, path))).toString();
  assert.equal(await unzip('usr/share/man/man1/muster.1.gz'), await readFile(join(root, 'docs/muster.1'), 'utf8'));
  assert.equal(await text('usr/share/bash-completion/completions/muster'), completionScripts.bash);
  assert.equal(await text('usr/share/zsh/vendor-completions/_muster'), completionScripts.zsh);
  assert.equal(await text('usr/share/fish/vendor_completions.d/muster.fish'), completionScripts.fish);
  const path = join(unpacked, 'usr/share/doc/muster/examples/muster.yaml');
  const config = await readConfig({ path, isPathExplicit: true, environment: {}, flags: {} });
  assert.equal(config.cluster, 'my-cluster');
  const licenses = await unzip('usr/share/doc/muster/third-party-licenses.gz');
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  for (const [name, version] of Object.entries(dependencies))
    assert.ok(licenses.includes(`\n${name} ${version}\n`), name);
  assert.match(licenses, /^Node\.js\n=+\n\nNode\.js is licensed for use as follows:/m);
});

test('its scripts are ones that a shell takes', async (t) => {
  const { unpacked } = await makePackage(t);
  for (const name of ['postinst', 'prerm', 'postrm']) {
    const script = join(unpacked, 'DEBIAN', name);
    assert.equal((await stat(script)).mode & 0o777, 0o755);
    assert.equal(spawnSync('sh', ['-n', script], { encoding: 'utf8' }).stderr, '', name);
  }
});

test('the same inputs give the same bytes, at another time, elsewhere, and under another umask', async (t) => {
  const { file, executable } = await makePackage(t);
  const elsewhere = await makeFolder(t);
  await utimes(executable, 1_000_000_000, 1_000_000_000);
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const again = await buildDebianPackage({ executable, folder: elsewhere, compression: 'none', epochS });
  assert.equal(basename(again), basename(file));
  assert.ok((await readFile(again)).equals(await readFile(file)));
});

const lintian = spawnSync('lintian', ['--version']).error === undefined;
test('lintian finds nothing wrong with it', {
  skip: lintian ? false : 'lacks lintian (Debian: lintian)',
}, async (t) => {
  const { file } = await makePackage(t, 'xz');
  const { status, stdout } = spawnSync('lintian', ['--allow-root', '--fail-on', 'error,warning', file], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
});
