import type { AgentStart, Output, Terminal } from '../../../src/cli/context.ts';
import type { Machine } from '../../../src/cli/machine.ts';
import { runCli } from '../../../src/cli/run-cli.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey, NodeId, Slot, WorkloadName } from '../../../src/domain/ids.ts';
import type { ApplyAnswer, InstanceRow, WorkloadRow, WorkloadSummary } from '../../../src/wire/answers.ts';
import type { Client, WatchedWorkload } from '../../../src/wire/client.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A terminal of a test: what was written to it, and a command's end. */
export interface FakeTerminal {
  readonly clock: FakeClock;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly starts: readonly AgentStart[];
  readonly sockets: readonly string[];
  readonly abort: (reason: unknown) => void;
  readonly run: (...argv: readonly string[]) => Promise<number>;
}

export interface FakeTerminalOptions {
  readonly client?: Partial<Client>;
  /** Instead of the client: how one is really opened. */
  readonly connect?: Terminal['connect'];
  readonly env?: Readonly<Record<string, string>>;
  /** A promise: what is typed only then. */
  readonly stdin?: string | Promise<string>;
  readonly timeZone?: string;
  readonly machine?: Machine;
  /** Width of the terminal; without it, output is a pipe. */
  readonly columns?: number;
  /** Standard input is a terminal too. */
  readonly keys?: true;
}

/** A process for commands, with the given client behind the socket. */
export function makeFakeTerminal(options: FakeTerminalOptions = {}): FakeTerminal {
  const clock = new FakeClock({ wall: '2026-01-01T00:00:00.000Z' });
  const texts = { stdout: '', stderr: '' };
  const output = (name: keyof typeof texts) => makeOutput(texts, name, options.columns);
  const starts: AgentStart[] = [];
  const sockets: string[] = [];
  const controller = new AbortController();
  const terminal: Terminal = {
    stdout: output('stdout'),
    stderr: output('stderr'),
    stdin: (async function* () {
      yield await Promise.resolve(options.stdin ?? '');
    })(),
    env: options.env ?? {},
    clock,
    timeZone: () => options.timeZone ?? 'Europe/Berlin',
    version: { version: '1.2.3', commit: 'abc' },
    machine: () => {
      if (options.machine === undefined) throw new Error('the fake terminal was given no machine');
      return Promise.resolve(options.machine);
    },
    keys: () => (options.keys === true ? { setRaw: () => {}, type: 'xterm', onResize: () => () => {} } : undefined),
    runAgent: (start) => {
      starts.push(start);
      return Promise.resolve(0);
    },
    connect: (target) => {
      sockets.push('url' in target ? target.url : target.socketPath);
      return options.connect?.(target) ?? Promise.resolve(makeFakeClient({ close: () => {}, ...options.client }));
    },
  };
  return {
    clock,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    starts,
    sockets,
    abort: (reason) => controller.abort(reason),
    run: (...argv) => runCli(argv, terminal, controller.signal),
  };
}

/** Collects what is written; a terminal where it has columns, else a pipe. */
function makeOutput<Name extends string>(texts: Record<Name, string>, name: Name, columns: number | undefined): Output {
  const write = (text: string) => {
    texts[name] += text;
  };
  return { write, isTTY: columns !== undefined, columns, rows: columns === undefined ? undefined : 24 };
}

/** Answers what it is given; anything else is a defect of the test. */
export function makeFakeClient(given: Partial<Client>): Client {
  const { apply } = given;
  const client: Partial<Client> = { ...(apply === undefined ? {} : { applyAll: applyEach(apply) }), ...given };
  return new Proxy(client as Client, {
    get: (target, name) => {
      if (name === 'then') return undefined;
      const method = Reflect.get(target, name) as unknown;
      if (method === undefined) throw new Error(`the fake client was not given "${String(name)}"`);
      return method;
    },
  });
}

/** A rejection as the agent makes it for a name it doesn't know. */
export function notFound(): Promise<never> {
  return Promise.reject(new AgentError('NOT_FOUND', 'Cannot find it: expected something else'));
}

export const node1 = { id: '1'.repeat(32) as NodeId, hostname: 'node1' };
export const node2 = { id: '2'.repeat(32) as NodeId, hostname: 'node2' };

export function makeRow(over: Partial<InstanceRow> = {}): InstanceRow {
  const workload = over.workload ?? ('web' as WorkloadName);
  const slot = over.slot ?? ('0' as Slot);
  return {
    id: `${workload}/${slot}@${(over.node ?? node1).id}`,
    key: `${workload}/${slot}` as InstanceKey,
    workload,
    slot,
    display: `${workload}.${slot}`,
    kind: 'container',
    phase: 'running',
    healthy: true,
    health: 'none',
    node: node1,
    role: 'current',
    spec: 1,
    upToDate: true,
    since: '2025-12-31T23:59:30.000Z',
    restarts: 0,
    ...over,
  };
}

export function makeSummary(over: Partial<WorkloadSummary> = {}): WorkloadSummary {
  return { converged: true, blocked: false, wanted: 1, running: 1, healthy: 1, problems: [], ...over };
}

export function makeFrame(over: Partial<WatchedWorkload> = {}): WatchedWorkload {
  const all = over.all ?? [makeRow()];
  return {
    workload: 'web' as WorkloadName,
    gone: false,
    desired: 'run',
    removing: false,
    spec: 1,
    summary: makeSummary(),
    rows: all,
    removed: [],
    ...over,
    all,
  };
}

export function makeWorkloadRow(over: Partial<WorkloadRow> = {}): WorkloadRow {
  return {
    name: 'web' as WorkloadName,
    kind: 'container',
    desired: 'run',
    removing: false,
    scale: { kind: 'replicas', replicas: 1 },
    spec: 1,
    disconnect: 'keep',
    sticky: false,
    createdAt: '2025-12-31T20:00:00.000Z',
    changedAt: '2025-12-31T23:00:00.000Z',
    summary: makeSummary(),
    ...over,
  };
}

export function makeApplyAnswer(over: Partial<ApplyAnswer> = {}): ApplyAnswer {
  return {
    name: 'web' as WorkloadName,
    spec: 1,
    created: true,
    changed: true,
    started: false,
    revision: 7,
    warnings: [],
    ...over,
  };
}

/** A watch that a test feeds, frame by frame; it ends with the signal or when told to. */
export class FakeWatch {
  readonly #frames: (WatchedWorkload | Error)[] = [];
  #wake = () => {};
  /** How often it was opened. */
  opened = 0;

  push(...frames: readonly (WatchedWorkload | Error)[]): void {
    this.#frames.push(...frames);
    this.#wake();
  }

  readonly watch: Client['watchWorkloads'] = (_names, signal) => this.#read(signal);

  async *#read(signal: AbortSignal): AsyncGenerator<WatchedWorkload> {
    this.opened += 1;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    for (;;) {
      signal.throwIfAborted();
      const frame = this.#frames.shift();
      if (frame instanceof Error) throw frame;
      if (frame !== undefined) yield frame;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** An apply of several by that of one: what is refused is an outcome, what is unreachable fails the whole. */
function applyEach(apply: Client['apply']): Client['applyAll'] {
  return (documents, signal) =>
    Promise.all(
      documents.map((document) =>
        apply(document, signal).catch((error: unknown) => {
          if (error instanceof AgentError && error.code !== 'UNAVAILABLE') return error;
          throw error;
        }),
      ),
    );
}
