import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { eventually } from './eventually.ts';

/** The credentials that the registry with `auth` knows. */
export const registryUser = { username: 'puller', password: 'secret' } as const;
const registryUserLine = 'puller:$2y$05$MKUCla0/gl0vYjSPqBtmPOQGNm5UbdcVBEApB6nswoeaCO19R8/gm\n';

const prefix = 'muster-docker-';
const applets = [
  'sh',
  'sleep',
  'cat',
  'wc',
  'head',
  'stty',
  'ps',
  'echo',
  'true',
  'false',
  'seq',
  'dd',
  'kill',
  'date',
  'env',
  'id',
  'hostname',
];
const readyMs = 30_000;

/** An answer of the Engine API. */
export interface RawReply {
  readonly status: number;
  readonly text: string;
}

/**
 * A dockerd of our own. It lives in its own mount, network and PID namespaces with all its data on a tmpfs, so nothing of it
 * outlives this process: when that ends, the namespaces' first process reads the end of its input and everything in them goes.
 */
export class DockerDaemon {
  readonly directory: string;
  readonly socketPath: string;
  readonly #init: ChildProcess;
  readonly #initPid: number;
  readonly #cgroup: string;
  #daemon: ChildProcess | undefined;

  private constructor(directory: string, init: ChildProcess, initPid: number) {
    this.directory = directory;
    this.socketPath = join(directory, 'docker.sock');
    this.#init = init;
    this.#initPid = initPid;
    this.#cgroup = basename(directory);
  }

  /** What this machine lacks to run one; undefined when it has all. */
  static lacks(): string | undefined {
    if (process.getuid?.() !== 0) return 'root';
    const tools = { dockerd: 'docker.io', 'docker-init': 'docker.io', unshare: 'util-linux', nsenter: 'util-linux' };
    const all = { ...tools, busybox: 'busybox-static', ip: 'iproute2', 'docker-registry': 'docker-registry' };
    const missing = Object.entries(all).find(([tool]) => findTool(tool) === undefined);
    return missing && `${missing[0]} (Debian: ${missing[1]})`;
  }

  /** Resolves when it answers. */
  static async start(): Promise<DockerDaemon> {
    removeLeftovers();
    const directory = mkdtempSync(join(tmpdir(), prefix));
    writeFileSync(join(directory, 'owner'), String(process.pid));
    mkdirSync(join(directory, 'data'));
    const setup = [
      `mount -t tmpfs tmpfs ${directory}/data`,
      'mount -t tmpfs tmpfs /run',
      '{ [ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker; }',
      'ip link set lo up',
      'exec docker-init -- sh -c "echo ready; exec cat"',
    ].join(' && ');
    const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const init = spawn('unshare', [...namespaces, '--propagation', 'private', 'sh', '-c', setup], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: environment,
    });
    await once(init.stdout as NodeJS.ReadableStream, 'data');
    const daemon = new DockerDaemon(directory, init, childOf(init.pid ?? 0));
    try {
      await daemon.startDaemon();
      return daemon;
    } catch (error) {
      const log = readFileSync(join(directory, 'dockerd.log'), 'utf8').slice(-2_000);
      await daemon.close();
      throw new Error(`Cannot start dockerd: ${log}`, { cause: error });
    }
  }

  /** Stands in for the slice of `stop` instances: goes with the rest. */
  get stopGroupPath(): string {
    return `/${this.#cgroup}/stop`;
  }

  /** Prefix by which this process reaches files as the daemon sees them. */
  get root(): string {
    return `/proc/${this.#initPid}/root`;
  }

  /** Prefix by which a command runs in the daemon's namespaces. */
  get enter(): readonly string[] {
    return ['nsenter', '--target', String(this.#initPid), '--mount', '--net', '--pid', '--'];
  }

  /** Runs a program inside the daemon's namespaces. */
  spawnInside(args: readonly string[]): ChildProcess {
    const log = createWriteStream(join(this.directory, `${basename(args[0] ?? '')}.log`), { flags: 'a' });
    const [nsenter = '', ...into] = this.enter;
    const child = spawn(nsenter, [...into, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once('exit', () => log.end());
    return child;
  }

  async startDaemon(): Promise<void> {
    const { directory } = this;
    writeFileSync(join(directory, 'daemon.json'), '{}');
    const paths = {
      'config-file': 'daemon.json',
      'data-root': 'data',
      'exec-root': 'data/exec',
      pidfile: 'dockerd.pid',
    };
    this.#daemon = this.spawnInside([
      'dockerd',
      ...Object.entries(paths).map(([name, path]) => `--${name}=${join(directory, path)}`),
      `--host=unix://${this.socketPath}`,
      `--cgroup-parent=/${this.#cgroup}`,
      '--live-restore',
      '--shutdown-timeout=2',
    ]);
    await eventually('dockerd to answer', readyMs, async () => (await this.request('GET', '/_ping')).status === 200);
  }

  /** SIGKILL leaves its socket and containers behind, SIGTERM its containers (it restores them when it's back). */
  async stopDaemon(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, 'exit');
    process.kill(this.daemonPid, signal);
    await ended;
  }

  /** SIGSTOP and SIGCONT: a daemon that hangs, with its socket open. */
  freezeDaemon(): void {
    process.kill(this.daemonPid, 'SIGSTOP');
  }

  /** nsenter stops itself along with its child, and wakes it when woken. */
  thawDaemon(): void {
    process.kill(this.daemonPid, 'SIGCONT');
    this.#daemon?.kill('SIGCONT');
  }

  get daemonPid(): number {
    return childOf(this.#daemon?.pid ?? 0);
  }

  /** One raw call, for what the adapter doesn't do and for baselines. */
  async request(method: string, path: string, body?: object | Buffer, headers: Record<string, string> = {}) {
    const data = body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
    return new Promise<RawReply>((resolve, reject) => {
      const options = { socketPath: this.socketPath, method, path, agent: false as const, headers };
      const call = request({ ...options, headers: { ...headers, ...(data && { 'Content-Type': type }) } }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      call.on('error', reject);
      call.end(data);
    });
  }

  /** As {@link request}, for calls that must succeed; gives the decoded answer. */
  async must(
    method: string,
    path: string,
    body?: object | Buffer,
    headers: Record<string, string> = {},
  ): Promise<unknown> {
    const { status, text } = await this.request(method, path, body, headers);
    if (status >= 400 || /"error":/.test(text)) throw new Error(`${method} ${path}: HTTP ${status} ${text}`);
    return text.startsWith('{') && !text.trim().includes('\n') ? (JSON.parse(text) as unknown) : text;
  }

  /** An image of busybox alone and, to have something to fetch, so many random bytes. */
  async makeImage(name: string, padBytes = 0): Promise<void> {
    const root = join(this.directory, 'image');
    mkdirSync(join(root, 'bin'), { recursive: true });
    mkdirSync(join(root, 'tmp'));
    copyFileSync(findTool('busybox') ?? '', join(root, 'bin/busybox'));
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    if (padBytes > 0) writeFileSync(join(root, 'pad'), randomBytes(padBytes));
    const tar = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 256 * 1024 * 1024 });
    rmSync(root, { recursive: true });
    const [repo, tag = 'latest'] = splitTag(name);
    await this.must('POST', `/images/create?fromSrc=-&repo=${encodeURIComponent(repo)}&tag=${tag}`, tar);
  }

  /** A registry on loopback inside the namespaces, with or without a login; gives its address. */
  async startRegistry(port: number, options: { readonly auth: boolean }): Promise<string> {
    const address = `127.0.0.1:${port}`;
    const place = join(this.directory, `registry-${port}`);
    writeFileSync(`${place}.htpasswd`, registryUserLine);
    const auth = options.auth ? { auth: { htpasswd: { realm: 'test', path: `${place}.htpasswd` } } } : {};
    const storage = { filesystem: { rootdirectory: join(this.directory, 'data', `registry-${port}`) } };
    writeFileSync(`${place}.yml`, JSON.stringify({ version: 0.1, storage, http: { addr: address }, ...auth }));
    this.spawnInside(['docker-registry', 'serve', `${place}.yml`]);
    const probe = `/distribution/${address}/none:latest/json`;
    await eventually(`registry at ${address}`, readyMs, async () => {
      return !/connection refused/.test((await this.request('GET', probe)).text);
    });
    return address;
  }

  /** Makes an image, pushes it and removes it here, so that a pull of it is real. */
  async pushImage(name: string, padBytes = 0): Promise<void> {
    await this.makeImage(name, padBytes);
    const auth = Buffer.from(JSON.stringify(registryUser)).toString('base64');
    const [repo, tag = 'latest'] = splitTag(name);
    await this.must('POST', `/images/${repo}/push?tag=${tag}`, undefined, { 'X-Registry-Auth': auth });
    await this.must('DELETE', `/images/${name}?force=true`);
  }

  /** Ends everything inside and removes what was outside: directory and control groups. */
  async close(): Promise<void> {
    const ended = this.#init.exitCode === null && this.#init.signalCode === null && once(this.#init, 'exit');
    this.#init.stdin?.end();
    await ended;
    await eventually('its traces gone', 10_000, () => {
      removeTraces(this.directory);
      return true;
    });
  }
}

/** Control groups, which the kernel keeps, and the directory. */
function removeTraces(directory: string): void {
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))];
  for (const root of roots) removeTree(join(root, basename(directory)));
  rmSync(directory, { recursive: true, force: true });
}

/** What a test process that was killed left behind. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const directory = join(tmpdir(), name);
    const owner = existsSync(join(directory, 'owner')) && readFileSync(join(directory, 'owner'), 'utf8');
    if (!owner || existsSync(`/proc/${owner}`)) continue;
    try {
      removeTraces(directory);
    } catch {
      // Another process is at it; or the next start is.
    }
  }
}

const systemPath = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';
const environment = { PATH: systemPath, HOME: '/nonexistent' };

function findTool(name: string): string | undefined {
  const places = systemPath.split(':').map((directory) => join(directory, name));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** `host:port/name:tag` parts at its last colon. */
function splitTag(name: string): [repo: string, tag?: string] {
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? [name.slice(0, colon), name.slice(colon + 1)] : [name];
}

function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  if (!child) throw new Error(`Process ${pid} has no child`);
  return Number(child);
}

/** Control groups can only be removed one directory at a time, innermost first. */
function removeTree(directory: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch {
    return;
  }
  for (const name of names) removeTree(join(directory, name));
  rmdirSync(directory);
}
