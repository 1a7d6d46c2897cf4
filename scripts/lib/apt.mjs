import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { runStep, say } from './step.mjs';

const listsDirectory = '/var/lib/apt/lists';
const policyFile = '/usr/sbin/policy-rc.d';
const policyText = '#!/bin/sh\n# Written while muster installs packages: what they bring is not started.\nexit 101\n';
const listsMaxAgeMs = 24 * 60 * 60 * 1000;

/**
 * Which of these Debian packages are not installed.
 * @param {readonly string[]} names
 */
export function missingPackages(names) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...names], {
    encoding: 'utf8',
  });
  const installed = new Set(
    (stdout ?? '')
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/**
 * Installs the Debian packages that are missing; the services they bring are not started. Does nothing when all are there.
 * @param {readonly string[]} names
 */
export async function installPackages(names) {
  const missing = missingPackages(names);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) throw new Error(`Cannot install ${missing.join(', ')}: expected to run as root`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = ['apt-get', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  const install = async () =>
    withoutServiceStarts(() =>
      runStep(`apt-get install ${missing.join(' ')}`, [...apt, 'install', '--no-install-recommends', ...missing], {
        env,
        progress: /^Setting up /,
      }),
    );
  if (areListsStale()) await runStep('apt-get update', [...apt, 'update'], { env });
  try {
    await install();
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\nTrying once more after an update.`);
    await runStep('apt-get update', [...apt, 'update'], { env });
    await install();
  }
}

function areListsStale() {
  if (!existsSync(listsDirectory)) return true;
  const lists = readdirSync(listsDirectory).filter((name) => name.endsWith('Packages') || name.includes('InRelease'));
  if (lists.length === 0) return true;
  return Date.now() - statSync(listsDirectory).mtimeMs > listsMaxAgeMs;
}

/**
 * The machine's own policy, if it has one, is left alone.
 * @param {() => Promise<void>} action
 */
async function withoutServiceStarts(action) {
  const remove = () => rmSync(policyFile, { force: true });
  const ours = !existsSync(policyFile) || readFileSync(policyFile, 'utf8') === policyText;
  if (ours) writeFileSync(policyFile, policyText, { mode: 0o755 });
  if (ours) process.once('exit', remove);
  try {
    await action();
  } finally {
    if (ours) remove();
    process.off('exit', remove);
  }
}
