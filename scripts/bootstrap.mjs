// The first step of every npm script. Plain JavaScript for whichever Node started npm: it installs what is missing,
// then runs scripts/<task>.ts under the Node pinned in package-lock.json.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from './lib/apt.mjs';
import { runStep, say } from './lib/step.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');

/** @param {string} file */
function readLockedPackages(file) {
  if (!existsSync(file)) return undefined;
  /** @type {{ packages: Record<string, { version?: string, integrity?: string, optional?: boolean }> }} */
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  return lock.packages;
}

/** Whether node_modules holds exactly what the lock names; what only other platforms need may be absent. */
function isInstalled() {
  const wanted = readLockedPackages(join(root, 'package-lock.json')) ?? {};
  const present = readLockedPackages(join(root, 'node_modules', '.package-lock.json'));
  if (present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    if (found === undefined) return entry.optional === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/** The command that runs the npm which started us, or the one on PATH. @param {string[]} args */
function npmCommand(args) {
  const cli = process.env['npm_execpath'];
  return cli?.endsWith('.js') === true ? [process.execPath, cli, ...args] : ['npm', ...args];
}

/** npm itself must not run under the pinned Node while that is being replaced. */
function environmentForNpm() {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((part) => !part.includes('node_modules'));
  return { ...process.env, PATH: path.join(delimiter) };
}

async function installNodeModules() {
  const env = environmentForNpm();
  await runStep('npm ci (packages named in package-lock.json)', npmCommand(['ci', '--ignore-scripts']), {
    cwd: root,
    env,
  });
  await runStep('npm rebuild node (the pinned Node)', npmCommand(['rebuild', 'node']), { cwd: root, env });
}

async function ensurePinnedNode() {
  if (!isInstalled()) await installNodeModules();
  else if (!existsSync(pinnedNode)) {
    await runStep('npm rebuild node (the pinned Node)', npmCommand(['rebuild', 'node']), {
      cwd: root,
      env: environmentForNpm(),
    });
  }
  const probe = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' });
  if (probe.status === 0) return;
  if (!probe.stderr.includes('libatomic')) throw new Error(`Cannot run "${pinnedNode}": ${probe.stderr.trim()}`);
  await installPackages(['libatomic1']);
}

/** Runs the task and ends as it ends. A terminal sends Ctrl-C to the whole group, so SIGINT is not passed on there. */
function runTask(/** @type {string} */ task, /** @type {string[]} */ args) {
  const path = [join(root, 'node_modules', '.bin'), environmentForNpm().PATH].join(delimiter);
  const child = spawn(pinnedNode, [join(root, 'scripts', `${task}.ts`), ...args], {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: 'inherit',
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    say(`Cannot run "${pinnedNode}": ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  });
}

const [task = 'check', ...args] = process.argv.slice(2);
try {
  await ensurePinnedNode();
  runTask(task, args);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
