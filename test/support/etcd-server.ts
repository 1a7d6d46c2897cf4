import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { makeTestCerts, type TestCerts } from './test-certs.ts';

export interface EtcdServerOptions {
  readonly members?: 1 | 3;
  /** Clients and the server show certificates; a client's CN is its etcd user. */
  readonly tls?: boolean;
  readonly quotaBytes?: number;
  readonly args?: readonly string[];
}

/** True where the etcd binary is installed (Debian: `etcd-server`). */
export function hasEtcd(): boolean {
  return spawnSync('etcd', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** One real etcd of one or three members on loopback, in a directory of its own that `close` removes. */
export class EtcdServer {
  readonly directory: string;
  readonly members: readonly EtcdMember[];
  readonly certs: TestCerts | undefined;

  private constructor(directory: string, members: readonly EtcdMember[], certs: TestCerts | undefined) {
    this.directory = directory;
    this.members = members;
    this.certs = certs;
  }

  /** Resolves when every member answers and there's a leader. */
  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const directory = mkdtempSync(join(tmpdir(), 'muster-etcd-'));
    const certs = options.tls ? makeTestCerts(join(directory, 'certs')) : undefined;
    const count = options.members ?? 1;
    const ports = await freePorts(count * 3);
    const places = Array.from(
      { length: count },
      (_, at) => ports.slice(at * 3, at * 3 + 3) as [number, number, number],
    );
    const cluster = places.map(([, peer], at) => `m${at}=http://127.0.0.1:${peer}`).join(',');
    const members = places.map((place, at) => {
      return new EtcdMember(`m${at}`, place, { directory, cluster, certs, options });
    });
    const server = new EtcdServer(directory, members, certs);
    try {
      for (const member of members) member.start();
      await server.ready();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  get endpoints(): string[] {
    return this.members.map((member) => member.endpoint);
  }

  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ready()));
  }

  /** Thaws and starts whatever a test froze and killed. */
  async heal(): Promise<void> {
    for (const member of this.members) {
      member.thaw();
      member.start();
    }
    await this.ready();
  }

  /** The member that leads, as the members themselves say. */
  leader(): Promise<EtcdMember> {
    return eventually('an etcd leader', 10_000, async () => {
      for (const member of this.members) {
        if (!member.isRunning) continue;
        const metrics = await member.metrics().catch(() => '');
        if (/^etcd_server_is_leader 1$/m.test(metrics)) return member;
      }
      return undefined;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function etcdctl(argv: readonly string[]): void {
  const { status, stderr } = spawnSync('etcdctl', argv, { env: { ETCDCTL_API: '3', PATH: process.env['PATH'] } });
  if (status !== 0) throw new Error(`etcdctl ${argv.join(' ')}: ${String(stderr).slice(-500)}`);
}

interface Surroundings {
  readonly directory: string;
  readonly cluster: string;
  readonly certs: TestCerts | undefined;
  readonly options: EtcdServerOptions;
}

/** One etcd process. Its data stays over `kill` and `start`. */
export class EtcdMember {
  readonly name: string;
  readonly endpoint: string;
  readonly clientPort: number;
  readonly #metricsUrl: string;
  readonly #args: readonly string[];
  readonly #dataDirectory: string;
  readonly #identity: readonly string[];
  readonly #logFile: string;
  #process: ChildProcess | undefined;

  constructor(name: string, ports: readonly [number, number, number], around: Surroundings) {
    const [client, peer, metrics] = ports;
    const { certs, options } = around;
    this.name = name;
    this.clientPort = client;
    this.endpoint = `${certs ? 'https' : 'http'}://127.0.0.1:${client}`;
    this.#metricsUrl = `http://127.0.0.1:${metrics}`;
    this.#logFile = join(around.directory, `${name}.log`);
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#dataDirectory = join(around.directory, name);
    this.#identity = ['--name', name, '--initial-cluster', around.cluster, '--initial-advertise-peer-urls', peerUrl];
    this.#args = [
      ...this.#identity,
      ...['--data-dir', this.#dataDirectory, '--log-outputs', 'stderr', '--unsafe-no-fsync'],
      ...['--listen-client-urls', this.endpoint, '--advertise-client-urls', this.endpoint],
      ...['--listen-peer-urls', peerUrl, '--listen-metrics-urls', this.#metricsUrl],
      ...(certs ? ['--cert-file', certs.server.cert, '--key-file', certs.server.key] : []),
      ...(certs ? ['--client-cert-auth', '--trusted-ca-file', certs.ca] : []),
      ...(options.quotaBytes ? ['--quota-backend-bytes', String(options.quotaBytes)] : []),
      ...(options.args ?? []),
    ];
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  start(): void {
    if (this.#process) return;
    // Ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'etcd', ...this.#args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.pipe(createWriteStream(this.#logFile, { flags: 'a' }));
    child.once('exit', () => {
      if (this.#process === child) this.#process = undefined;
    });
    this.#process = child;
  }

  /** Resolves when it serves: it knows of a leader. */
  async ready(): Promise<void> {
    await eventually(`etcd member ${this.name} to be ready`, 15_000, async () => {
      if (!this.isRunning) throw new Error(`etcd ended: ${this.log().slice(-2_000)}`);
      const health = await fetch(`${this.#metricsUrl}/health`, { signal: AbortSignal.timeout(1_000) });
      return health.ok;
    });
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** SIGSTOP: its connections stay open and nothing answers. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    this.start();
    await this.ready();
  }

  /** A backup, as an operator makes one. */
  saveSnapshot(file: string): void {
    etcdctl(['--endpoints', this.endpoint, 'snapshot', 'save', file]);
  }

  /** Makes the data anew from a backup. The member must not run; the others of its cluster need the same. */
  restoreSnapshot(file: string): void {
    rmSync(this.#dataDirectory, { recursive: true, force: true });
    etcdctl(['snapshot', 'restore', file, '--data-dir', this.#dataDirectory, ...this.#identity]);
  }

  async metrics(): Promise<string> {
    const answer = await fetch(`${this.#metricsUrl}/metrics`, { signal: AbortSignal.timeout(1_000) });
    return answer.text();
  }

  log(): string {
    try {
      return readFileSync(this.#logFile, 'utf8');
    } catch {
      return '';
    }
  }
}

/** Below the ports that the kernel gives to whoever asks for any; each process has a stretch of them, so that no other takes one in between. */
const FIRST_PORT = 20_000;
const STRETCH = 120;
const STRETCHES = 100;
let tried = 0;

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const first = FIRST_PORT + (process.pid % STRETCHES) * STRETCH;
  const free: number[] = [];
  for (let left = STRETCH; free.length < count; left -= 1) {
    if (left === 0)
      throw new Error(`Cannot find ${count} ports: expected that many free ones of ${STRETCH} from ${first} on`);
    const port = first + (tried++ % STRETCH);
    if (await isFree(port)) free.push(port);
  }
  return free;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Whether something listens there. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (listens: boolean) => {
      socket.destroy();
      resolve(listens);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
