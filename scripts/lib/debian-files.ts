import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { completionScripts } from '../../src/cli/completion-scripts.ts';
import { root } from './paths.ts';
import { renderThirdPartyLicenses } from './third-party-licenses.ts';

/** A file of the package. */
export interface PackagedFile {
  /** Where it goes, without a slash before it. */
  readonly path: string;
  readonly mode: 0o644 | 0o755;
  readonly content: Buffer | { readonly copyOf: string };
}

const doc = 'usr/share/doc/muster';

/** What the units say of an image that is baked by hand, and what holds in the package. */
const moved: readonly (readonly [baked: string, packaged: string])[] = [
  ['/usr/local/bin/muster', '/usr/bin/muster'],
  ['/etc/muster/switch.sh', '/usr/lib/muster/switch.sh'],
];

/** All files of the package but those that steer it. */
export function packagedFiles(executable: string, debianChangelog: string): readonly PackagedFile[] {
  const file = (path: string, content: string | Buffer, mode: 0o644 | 0o755 = 0o644): PackagedFile => {
    return { path, mode, content: Buffer.from(content) };
  };
  return [
    { path: 'usr/bin/muster', mode: 0o755, content: { copyOf: executable } },
    file('usr/lib/muster/switch.sh', read('units/muster-switch.sh'), 0o755),
    ...glob('units/muster*.{service,target,slice}').map((from) =>
      file(`usr/lib/systemd/system/${basename(from)}`, packagedUnit(read(from))),
    ),
    file('usr/lib/sysusers.d/muster.conf', read('units/muster.sysusers').replace(/Install to \S+ /, '')),
    file('usr/share/man/man1/muster.1.gz', zip(read('docs/muster.1'))),
    file('usr/share/bash-completion/completions/muster', completionScripts.bash),
    file('usr/share/zsh/vendor-completions/_muster', completionScripts.zsh),
    file('usr/share/fish/vendor_completions.d/muster.fish', completionScripts.fish),
    file('usr/share/lintian/overrides/muster', read('packaging/debian/lintian-overrides')),
    file(`${doc}/copyright`, read('packaging/debian/copyright')),
    file(`${doc}/third-party-licenses.gz`, zip(renderThirdPartyLicenses())),
    file(`${doc}/changelog.gz`, zip(debianChangelog)),
    file(`${doc}/NEWS.md.gz`, zip(read('CHANGELOG.md'))),
    ...glob('docs/*.{md,yaml,json}').map((from) => file(`${doc}/${basename(from)}`, read(from))),
    file(`${doc}/examples/muster.yaml`, read('packaging/muster.yaml')),
    ...glob('units/examples/*').map((from) => file(`${doc}/examples/${basename(from)}`, read(from))),
    ...glob('cloud-config/*').map((from) => file(`${doc}/examples/cloud-config/${basename(from)}`, read(from))),
  ];
}

/** A unit as it is in the package: with the paths that files have there, and without a word of how to install it. */
function packagedUnit(text: string): string {
  const told = text.replace(/ Install to [\s\S]*?\n(?=\n)/, '\n');
  return moved.reduce((changed, [baked, packaged]) => changed.replaceAll(baked, packaged), told);
}

/** Without a name and a time inside: the same bytes each time. */
function zip(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

function glob(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: root }).sort();
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
