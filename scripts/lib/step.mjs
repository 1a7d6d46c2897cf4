import { spawn } from 'node:child_process';

const heartbeatMs = 10_000;

/** One line of progress, on standard error so that standard output stays the task's own. @param {string} line */
export function say(line) {
  process.stderr.write(`muster: ${line}\n`);
}

/**
 * Runs a command, saying when it begins, that it still runs, and how long it took; its output is shown if it fails.
 * @param {string} title
 * @param {readonly string[]} command
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, progress?: RegExp }} [options] `progress`: output lines worth showing
 * @returns {Promise<void>}
 */
export async function runStep(title, command, options = {}) {
  const startedMs = performance.now();
  const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(1);
  say(`${title} ...`);
  const [file = '', ...args] = command;
  const child = spawn(file, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(child, options.progress);
  const heartbeat = setInterval(() => say(`${title} ... still running, ${seconds()} s`), heartbeatMs);
  try {
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) throw new Error(`Cannot finish "${command.join(' ')}": it ended with ${code}\n${output()}`);
    say(`${title}: done in ${seconds()} s`);
  } finally {
    clearInterval(heartbeat);
  }
}

/**
 * Keeps the last of what a child prints and shows the lines that match.
 * @param {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, import('node:stream').Readable>} child
 * @param {RegExp | undefined} progress
 */
function collect(child, progress) {
  const keptChars = 20_000;
  let text = '';
  let line = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (/** @type {string} */ chunk) => {
      text = (text + chunk).slice(-keptChars);
      if (progress === undefined) return;
      const lines = (line + chunk).split('\n');
      line = lines.pop() ?? '';
      for (const each of lines) if (progress.test(each)) say(`  ${each}`);
    });
  }
  return () => text.trimEnd();
}
