import type { InstanceKey } from '../../src/domain/ids.ts';
import type { RuntimeKind } from '../../src/domain/spec.ts';
import { type FakeItem, FakeMachine, type FakeMachineOptions } from '../support/fake-machine.ts';

/** Who is told the truth of what runs. */
export interface DaemonWitness {
  readonly onBegin: (item: FakeItem) => void;
  readonly onEnd: (item: FakeItem) => void;
}

/** systemd's `RestartSec=`. */
const RESTART_MS = 100;

/** dockerd or systemd of one simulated machine. */
export class SimDaemon extends FakeMachine {
  readonly kind: RuntimeKind;
  readonly #witness: DaemonWitness;
  readonly #toldToStop = new Set<FakeItem>();

  constructor(kind: RuntimeKind, options: FakeMachineOptions, witness: DaemonWitness) {
    super(options);
    this.kind = kind;
    this.#witness = witness;
  }

  override begin(item: FakeItem): void {
    this.#toldToStop.delete(item);
    super.begin(item);
    this.#witness.onBegin(item);
  }

  override end(item: FakeItem, phase: 'stopped' | 'failed', exitCode: number): void {
    const isStopping = item.phase === 'stopping'; // by its job: systemd restarts nothing that it's told to stop
    if (this.#toldToStop.has(item)) item.everStarted = false;
    super.end(item, phase, exitCode);
    this.#witness.onEnd(item);
    if (phase === 'failed' && !isStopping) this.#restart(item);
  }

  /** A unit that is told to stop is to be started anew: the agent takes back its mark that it was started. */
  stopWasAsked(key: InstanceKey): void {
    const item = this.items.get(key);
    if (this.kind !== 'systemd' || item === undefined) return;
    if (item.phase !== 'starting') this.#toldToStop.add(item);
    else if (!this.isAway && !this.hung.has(key)) item.phase = 'stopped'; // its restart is taken back
  }

  /** SIGTERM by the fence to every `stop` instance; what takes it too long gets {@link killStops}. */
  endStops(): void {
    for (const item of this.#stops()) {
      const { run } = item;
      const { stopMs = this.stopMs } = this.behave(item.order);
      if (item.phase === 'running') item.phase = 'stopping';
      this.clock.after(stopMs, () => {
        if (item.run === run && item.phase === 'stopping') this.end(item, 'stopped', 143);
      });
    }
  }

  /** SIGKILL by the fence. It needs no daemon: systemd ends their control groups. */
  killStops(): void {
    for (const item of this.#stops()) this.end(item, 'failed', 137);
  }

  #stops(): FakeItem[] {
    return [...this.items.values()].filter(({ cluster, order, phase }) => {
      return cluster !== undefined && order.disconnect === 'stop' && (phase === 'running' || phase === 'stopping');
    });
  }

  /** Calls about this instance don't come back, until they do again. */
  setHung(key: InstanceKey, isHung: boolean): void {
    if (isHung) this.hung.add(key);
    else this.hung.delete(key);
  }

  /** The power is gone. /run goes with it, and every unit of ours; containers are still there, and exited. */
  override powerOff(): void {
    super.powerOff();
    for (const [key, item] of this.items)
      if (this.kind === 'systemd' && item.cluster !== undefined) this.items.delete(key);
    // What of a host's own is enabled is started with it, before any agent.
    for (const item of this.items.values()) if (item.cluster === undefined) item.phase = 'stopped';
    this.isAway = false;
    this.hung.clear();
  }

  override fail(item: FakeItem, error: string): void {
    super.fail(item, error);
    this.#restart(item);
  }

  /** That isn't the agent's doing: what was told to stop, and has not heard of it yet, still is. */
  #beginAgain(item: FakeItem): void {
    const isToldToStop = this.#toldToStop.has(item);
    this.begin(item);
    if (!isToldToStop) return;
    this.#toldToStop.add(item);
    item.everStarted = false;
  }

  /** A `keep` unit has `Restart=on-failure`: that is systemd's business. */
  #restart(item: FakeItem): void {
    if (this.kind !== 'systemd' || item.cluster === undefined || item.order.disconnect !== 'keep') return;
    const { run } = item;
    item.phase = 'starting'; // `activating (auto-restart)`
    this.clock.after(RESTART_MS, () => {
      const isSame = this.items.get(item.order.key) === item && item.run === run;
      if (!isSame || item.phase !== 'starting') return;
      if (this.behave(item.order).refusal === undefined) this.#beginAgain(item);
      else this.#restart(item);
    });
  }
}
