import type { ClusterId, InstanceKey } from '../../src/domain/ids.ts';
import type { Health, ObservedInstance } from '../../src/domain/status.ts';
import type { Clock } from '../../src/loop/clock.ts';
import type { LogLine, StartOrder } from '../../src/runtime/port.ts';

/** How an instance behaves once it's started; what is left out is unremarkable. */
export interface FakeBehaviour {
  /** Ends by itself after this long, with the exit code. */
  readonly endsAfterMs?: number;
  readonly exitCode?: number;
  /** The start itself is refused, with these words. */
  readonly refusal?: string;
  /** Must be fetched before its first start on this machine. */
  readonly pullMs?: number;
  /** How long a stop takes; `stopMs` of the machine otherwise. */
  readonly stopMs?: number;
  readonly lines?: readonly string[];
  readonly health?: Health;
}

/** One instance on it. */
export interface FakeItem {
  readonly cluster: ClusterId | undefined;
  readonly order: StartOrder;
  readonly id: string;
  phase: ObservedInstance['phase'];
  everStarted: boolean;
  health: Health;
  pid?: number;
  startedAtMs: number;
  startedAt?: string;
  finishedAt?: string;
  exitCode?: number;
  error?: string;
  readonly lines: LogLine[];
  /** Counts its runs, so that what was scripted for one doesn't end the next. */
  run: number;
  ending?: Promise<void> | undefined;
}

/** What the fake machine is like. */
export interface FakeMachineOptions {
  readonly clock: Clock;
  readonly startMs?: number;
  readonly stopMs?: number;
  readonly behave?: (order: StartOrder) => FakeBehaviour;
  /** Why this instance may not begin now, whoever asks; undefined: it may. */
  readonly forbid?: (order: StartOrder) => string | undefined;
}

/**
 * A machine's daemon with its instances, without processes. Runtimes are opened on it (`openFakeRuntime`); it outlives them, as a daemon does an
 * agent. All time is the clock's, every result the same each time.
 */
export class FakeMachine {
  readonly clock: Clock;
  readonly items = new Map<InstanceKey, FakeItem>();
  readonly watchers = new Set<() => void>();
  /** Images that are here. */
  readonly images = new Set<string>();
  /** What was asked of it, oldest first: `start web/0`. */
  readonly calls: string[] = [];
  startMs: number;
  stopMs: number;
  behave: (order: StartOrder) => FakeBehaviour;
  readonly forbid: (order: StartOrder) => string | undefined;
  /** Every call rejects with UNAVAILABLE. */
  isAway = false;
  /** Calls that name these instances don't come back until they are aborted. */
  readonly hung = new Set<InstanceKey>();
  #pids = 1000;

  constructor(options: FakeMachineOptions) {
    this.clock = options.clock;
    this.startMs = options.startMs ?? 20;
    this.stopMs = options.stopMs ?? 20;
    this.behave = options.behave ?? (() => ({}));
    this.forbid = options.forbid ?? (() => undefined);
  }

  /** Something of that name that no cluster owns. */
  addForeign(order: StartOrder): void {
    const item = this.add(undefined, order);
    this.begin(item);
  }

  /** Its process is killed by hand. */
  kill(key: InstanceKey): void {
    const item = this.items.get(key);
    if (item) this.end(item, 'failed', 137);
  }

  /** Its health check has another result. */
  setHealth(key: InstanceKey, health: Health): void {
    const item = this.items.get(key);
    if (item) item.health = health;
    this.tell();
  }

  /** The machine lost its power: nothing runs, what was made is still there. */
  powerOff(): void {
    for (const item of this.items.values()) {
      if (item.phase === 'running' || item.phase === 'stopping') this.end(item, 'failed', 137);
    }
    this.watchers.clear();
  }

  get running(): InstanceKey[] {
    const running = [...this.items.values()].filter(({ phase }) => phase === 'running' || phase === 'stopping');
    return running.map(({ order }) => order.key).sort();
  }

  add(cluster: ClusterId | undefined, order: StartOrder): FakeItem {
    const id = `fake-${order.key}-${++this.#pids}`;
    const item: FakeItem = {
      cluster,
      order,
      id,
      phase: 'stopped',
      everStarted: false,
      health: this.behave(order).health ?? 'none',
      startedAtMs: 0,
      lines: [],
      run: 0,
    };
    this.items.set(order.key, item);
    return item;
  }

  begin(item: FakeItem): void {
    const { endsAfterMs, exitCode = 0, lines = [] } = this.behave(item.order);
    item.run += 1;
    item.phase = 'running';
    item.everStarted = true;
    item.pid = ++this.#pids;
    item.startedAtMs = this.clock.monotonicMs();
    item.startedAt = this.clock.wallTime().toISOString();
    delete item.finishedAt;
    delete item.exitCode;
    delete item.error;
    item.lines.push(...lines.map((text) => ({ at: item.startedAt ?? '', stream: 'stdout' as const, text })));
    const run = item.run;
    if (endsAfterMs !== undefined) {
      this.clock.after(endsAfterMs, () => {
        if (item.run === run && item.phase === 'running')
          this.end(item, exitCode === 0 ? 'stopped' : 'failed', exitCode);
      });
    }
    this.tell();
  }

  end(item: FakeItem, phase: 'stopped' | 'failed', exitCode: number): void {
    item.phase = phase;
    item.exitCode = exitCode;
    item.finishedAt = this.clock.wallTime().toISOString();
    delete item.pid;
    if (phase === 'failed') item.error = `ended with exit code ${exitCode}`;
    this.tell();
  }

  fail(item: FakeItem, error: string): void {
    item.everStarted = true;
    item.phase = 'failed';
    item.error = error;
    this.tell();
  }

  /** Something changed: whoever watches is told, unless the daemon is away. */
  tell(): void {
    if (!this.isAway) for (const watcher of this.watchers) watcher();
  }

  /** The daemon is back (or gone): watchers are told once it's back. */
  setAway(isAway: boolean): void {
    this.isAway = isAway;
    this.tell();
  }
}
