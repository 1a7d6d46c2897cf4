import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.ts';

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  /** Of development, or of what is optional. */
  readonly devOptional?: boolean;
  readonly optional?: boolean;
}

/**
 * The licences of what is inside the executable, word for word: of Node.js, and of every library that isn't for development alone. What is
 * optional is left outside.
 */
export function renderThirdPartyLicenses(): string {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, Locked>>;
  };
  const libraries = Object.entries(packages).filter(
    ([path, { dev, optional, devOptional }]) => path !== '' && !(dev || optional || devOptional),
  );
  const parts = libraries.map(([path, locked]) => renderLibrary(path, locked));
  return [
    'The licences and notices of what the executable has within it: of Node.js, and of the libraries that it is made with.\n',
    section('Node.js', readNodeLicense()),
    ...parts,
  ].join('\n');
}

function renderLibrary(path: string, { version = '', license = '' }: Locked): string {
  const texts = globSync('{LICEN[CS]E*,licen[cs]e*,Licen[cs]e*,COPYING*,NOTICE*}', { cwd: join(root, path) })
    .sort()
    .map((name) => readFileSync(join(root, path, name), 'utf8').trim());
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  if (texts.length === 0 && license === '') throw new Error(`Cannot name the licence of "${path}": expected one`);
  const text = texts.length === 0 ? `License: ${license} (no text comes with it)` : texts.join('\n\n');
  return section(`${name} ${version}`, text);
}

function readNodeLicense(): string {
  const [found] = globSync('node_modules/node/node_modules/node-*/LICENSE', { cwd: root }).sort();
  if (found === undefined) throw new Error('Cannot find the licence of Node.js: expected it with the pinned Node');
  return readFileSync(join(root, found), 'utf8').trim();
}

function section(title: string, text: string): string {
  return `${'='.repeat(80)}\n${title}\n${'='.repeat(80)}\n\n${text}\n`;
}
