import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { applyWorkload } from '../../src/cluster/desired.ts';
import { setDesired } from '../../src/cluster/desired-change.ts';
import { makeLayout } from '../../src/cluster/layout.ts';
import { parseClusterId, parseWorkloadName } from '../../src/domain/ids.ts';
import { openKv } from '../../src/etcd/open-kv.ts';
import { silentLog } from '../../src/loop/log.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import { makeDocument } from '../sim/documents.ts';
import { EtcdServer } from '../support/etcd-server.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import type { SoakReport, SoakRequest, SoakSample } from './messages.ts';

export interface SoakOptions {
  /** Starts and stops of an instance. */
  readonly cycles: number;
  /** Breaks of the connection to etcd, after each of which every watch begins anew. */
  readonly reconnects: number;
}

/** Three looks at the process, and what it did meanwhile. */
export interface SoakResult {
  readonly samples: { readonly start: SoakSample; readonly middle: SoakSample; readonly end: SoakSample };
  readonly starts: number;
  readonly stops: number;
  readonly connections: number;
  readonly seconds: number;
}

/** How many instances start and stop at once; every fifth must not run twice. */
const INSTANCES = 50;
const STEP_LIMIT_MS = 60_000;
const SETTLE_MS = 5_000;
const never = new AbortController().signal;
const names = { keep: parseWorkloadName('keeps'), stop: parseWorkloadName('stops') };

/** Runs one agent in a process of its own through all of it. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const etcd = await EtcdServer.start();
  try {
    const proxy = await TcpProxy.open(etcd.members[0]!.clientPort);
    const kv = openKv({ endpoints: etcd.endpoints }, systemClock, silentLog);
    const soak = new Soak(proxy, {
      kv,
      layout: makeLayout('/muster', parseClusterId('soak')),
      clock: systemClock,
    });
    try {
      return await soak.run(options);
    } finally {
      await soak.end();
      kv.close();
      await proxy.close();
    }
  } finally {
    await etcd.close();
  }
}

class Soak {
  readonly #proxy: TcpProxy;
  readonly #view: Parameters<typeof applyWorkload>[0];
  readonly #child: ChildProcess;
  #hasJoined = false;
  #running = { count: 0, starts: 0, stops: 0 };
  #sample: SoakSample | undefined;

  constructor(proxy: TcpProxy, view: Parameters<typeof applyWorkload>[0]) {
    this.#proxy = proxy;
    this.#view = view;
    this.#child = fork(new URL('./soaked-agent.ts', import.meta.url), [`http://127.0.0.1:${proxy.port}`], {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
    });
    this.#child.on('message', (report: SoakReport) => {
      if (report.kind === 'joined') this.#hasJoined = true;
      else if (report.kind === 'running') this.#running = report;
      else this.#sample = report.sample;
    });
  }

  async run({ cycles, reconnects }: SoakOptions): Promise<SoakResult> {
    const beganMs = performance.now();
    await this.#until('the agent to lead', () => this.#hasJoined);
    for (const [mode, name] of Object.entries(names) as ['keep' | 'stop', string][]) {
      const replicas = mode === 'keep' ? INSTANCES * 0.8 : INSTANCES * 0.2;
      const document = makeDocument(name, { replicas, mode });
      await applyWorkload(this.#view, document, { resolveImage: async () => undefined }, never);
    }
    await this.#until('all to run', () => this.#running.count === INSTANCES);
    await this.#order('stop');
    const rounds = Math.max(4, Math.ceil(cycles / INSTANCES));
    const cuts = Math.ceil(reconnects / rounds);
    await this.#rounds(2, cuts); // caches fill, code is compiled
    const start = await this.#look();
    await this.#rounds(Math.floor(rounds / 2), cuts);
    const middle = await this.#look();
    await this.#rounds(rounds - Math.floor(rounds / 2), cuts);
    const end = await this.#look();
    const { starts, stops } = this.#running;
    const seconds = Math.round((performance.now() - beganMs) / 1_000);
    return { samples: { start, middle, end }, starts, stops, connections: this.#proxy.accepted, seconds };
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#ask('end');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }

  async #rounds(count: number, cuts: number): Promise<void> {
    for (let round = 0; round < count; round += 1) {
      const cutting = this.#cut(cuts);
      await this.#order('run');
      await this.#order('stop');
      await cutting;
    }
  }

  /** Each cut finds the connection made anew, else it cuts nothing. */
  async #cut(times: number): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      const { accepted } = this.#proxy;
      this.#proxy.cut();
      await this.#until('another connection', () => this.#proxy.accepted > accepted);
      await delay(50);
    }
  }

  async #order(desired: 'run' | 'stop'): Promise<void> {
    await Promise.all(Object.values(names).map((name) => setDesired(this.#view, name, { desired }, never)));
    const count = desired === 'run' ? INSTANCES : 0;
    await this.#until(`${count} instances`, () => {
      if (this.#running.count !== count) throw new Error(`${this.#running.count} are running`);
      return true;
    });
  }

  /** All is stopped and quiet: what is there then is what stays. */
  async #look(): Promise<SoakSample> {
    await delay(SETTLE_MS);
    this.#sample = undefined;
    this.#ask('sample');
    return this.#until('a sample', () => this.#sample);
  }

  #ask(request: SoakRequest): void {
    this.#child.send(request);
  }

  #until<T>(what: string, probe: () => T) {
    return eventually(what, STEP_LIMIT_MS, () => {
      if (this.#child.exitCode !== null) throw new Error('the soaked process has ended');
      return probe();
    });
  }
}

/** In what the process has grown between the middle and the end; empty when in nothing. */
export function findGrowth({ samples: { middle, end } }: SoakResult): string[] {
  const problems: string[] = [];
  const heapLimit = Math.max(1.05 * middle.heapBytes, middle.heapBytes + 2 * 2 ** 20);
  if (end.heapBytes > heapLimit) problems.push(`heap: ${middle.heapBytes} became ${end.heapBytes} bytes`);
  if (end.fileDescriptors > middle.fileDescriptors)
    problems.push(`file descriptors: ${middle.fileDescriptors} became ${end.fileDescriptors}`);
  if (end.listeners > middle.listeners + 5) problems.push(`listeners: ${middle.listeners} became ${end.listeners}`);
  for (const [kind, count] of Object.entries(end.resources)) {
    const before = middle.resources[kind] ?? 0;
    // A retry or a pause may be under way in one look and not in the other.
    if (count > before + (kind === 'Timeout' ? 3 : 0)) problems.push(`${kind}: ${before} became ${count}`);
  }
  return problems;
}
