import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { installPackages } from './apt.mjs';
import { embedEtcdProtos, stubUnused } from './bundle-plugins.ts';
import { runCommand } from './children.ts';
import { pinnedNode, root } from './paths.ts';

/** Where the executable is built from and to; the defaults are `npm run build`. */
export interface BuildOptions {
  readonly entry?: string;
  readonly outFile?: string;
}

/** Without these the code cache differs from build to build. */
const fixedSeeds = ['--random-seed=1'];

/** V8 keeps the young generation small: this process sits on every machine. An idle agent has 4 MB less with it. */
const execArgv = ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];

/**
 * Builds one executable: a bundle with its code cache inside a stripped copy of the pinned Node. The same inputs give the
 * same bytes. Does nothing when the inputs are those of the last build. Returns the path of the executable.
 */
export async function buildExecutable(options: BuildOptions = {}): Promise<string> {
  const entry = options.entry ?? join(root, 'src', 'main.ts');
  const outFile = options.outFile ?? join(root, 'dist', 'muster');
  const identity = await readIdentity();
  const inputs = hashInputs(entry, JSON.stringify(identity));
  const inputsFile = join(outFile, '..', '.inputs');
  if (existsSync(outFile) && existsSync(inputsFile) && readFileSync(inputsFile, 'utf8') === inputs) return outFile;

  const startedMs = performance.now();
  mkdirSync(join(outFile, '..'), { recursive: true });
  const work = mkdtempSync(join(outFile, '..', '.build-'));
  try {
    await bundle(entry, join(work, 'muster.cjs'), identity);
    await embed(work);
    renameSync(join(work, 'muster'), outFile);
    writeFileSync(inputsFile, inputs);
  } finally {
    rmSync(work, { recursive: true });
  }
  process.stderr.write(`muster: built ${outFile} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
  return outFile;
}

/** Builds once more, in another folder, and throws unless that gives the same bytes. */
export async function verifyReproducible(executable: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-build-'));
  try {
    const again = await buildExecutable({ outFile: join(folder, 'muster') });
    if (!readFileSync(executable).equals(readFileSync(again))) {
      throw new Error(`Cannot reproduce "${executable}": expected a second build to give the same bytes`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Identity {
  readonly version: string;
  readonly commit: string;
}

/** The version and the commit that the executable reports. */
async function readIdentity(): Promise<Identity> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const head = await runCommand(['git', 'rev-parse', '--short=12', 'HEAD'], { stdio: 'pipe' });
  if (head.code !== 0) return { version, commit: 'unknown' };
  const changes = await runCommand(['git', 'status', '--porcelain', '--', 'src', 'package-lock.json'], {
    stdio: 'pipe',
  });
  return { version, commit: `${head.output.trim()}${changes.output === '' ? '' : '-dirty'}` };
}

function hashInputs(entry: string, identity: string): string {
  const hash = createHash('sha256').update(identity).update(entry);
  const files = globSync(['src/**/*.{ts,json}', 'scripts/lib/*.ts', 'package-lock.json', 'tsconfig.json'], {
    cwd: root,
  });
  for (const file of [entry, ...files.sort().map((name) => join(root, name))]) {
    hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

async function bundle(entry: string, outFile: string, { version, commit }: Identity): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile: outFile,
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    legalComments: 'none',
    external: ['cpu-features'],
    plugins: [embedEtcdProtos, stubUnused],
    define: { __MUSTER_VERSION__: JSON.stringify(version), __MUSTER_COMMIT__: JSON.stringify(commit) },
    logLevel: 'warning',
  });
}

/** Makes `muster` in the folder out of `muster.cjs`. Stripping must come first: afterwards it would break the result. */
async function embed(work: string): Promise<void> {
  await installPackages(['binutils']);
  await mustRun(['strip', '-o', 'node', pinnedNode], work);
  // Relative paths: they end up inside, and another folder must give the same bytes.
  const settings = {
    main: 'muster.cjs',
    output: 'muster',
    executable: 'node',
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv,
    execArgvExtension: 'none',
  };
  writeFileSync(join(work, 'sea.json'), JSON.stringify(settings));
  await mustRun([pinnedNode, ...fixedSeeds, '--build-sea', 'sea.json'], work);
  chmodSync(join(work, 'muster'), 0o755);
}

async function mustRun(command: readonly string[], cwd: string): Promise<void> {
  const { code, output } = await runCommand(command, { stdio: 'pipe', cwd });
  if (code !== 0) throw new Error(`Cannot build: "${command.join(' ')}" ended with ${code}\n${output}`);
}
