import { abortable } from '../../bus/abortable.ts';
import type { Bus } from '../../bus/port.ts';
import { AgentError } from '../../domain/errors.ts';
import type { ClusterId } from '../../domain/ids.ts';
import type { DisconnectMode } from '../../domain/spec.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Log } from '../../loop/log.ts';
import type { StartOrder } from '../port.ts';
import { describeFailure } from './describe-unit.ts';
import { InstallLinks, type ReloadNeed } from './install-links.ts';
import { JobWaiter } from './job-waiter.ts';
import { SharedReload } from './shared-reload.ts';
import { asString, isNoSuchUnit, type SystemdManager, UNIT_INTERFACE } from './systemd-manager.ts';
import type { UnitStates } from './unit-states.ts';
import type { UnitStore } from './unit-store.ts';
import { composeUnitFile, isSameUnit } from './unit-text.ts';

/** What a start of a unit needs of its order. */
export type UnitOrder = Omit<StartOrder, 'run'> & { readonly text: string };

interface Context {
  readonly clusterId: ClusterId;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

interface Parts {
  readonly store: UnitStore;
  readonly manager: SystemdManager;
  readonly states: UnitStates;
}

/** Links that nothing waits for are read once units have stopped coming. */
const QUIET_MS = 2_000;
/** See {@link UnitStore.touchFolder}. */
const START_ATTEMPTS = 3;

/** Results of start jobs that came as far as executing the unit; after any other it is still to be started. */
const ranResults: ReadonlySet<string> = new Set(['done', 'failed', 'timeout', 'skipped', 'assert']);

/** Starts, stops and removes units. Every step may be the last before a crash: the next start or remove goes on from there. */
export class UnitControl {
  readonly #context: Context;
  readonly #parts: Parts;
  readonly #jobs: JobWaiter;
  readonly #links: InstallLinks;
  readonly #reload: SharedReload;
  readonly #closed = new AbortController();
  /** Units whose file systemd is known to have read, and whose links are made. */
  readonly #settled = new Set<string>();
  #folders: Promise<readonly string[]> | undefined;
  #cancelReload = () => {};

  constructor(context: Context, parts: Parts) {
    const { manager } = parts;
    this.#context = context;
    this.#parts = parts;
    this.#jobs = new JobWaiter(context.bus, manager, context.clock);
    this.#links = new InstallLinks(manager, parts.store);
    this.#reload = new SharedReload(() => manager.reload(this.#closed.signal));
  }

  /** Everything that a start needs, but for the start. */
  async install(unit: string, order: UnitOrder, signal: AbortSignal): Promise<void> {
    await this.#prepare(unit, order, signal);
    this.#parts.store.clearStarted(unit);
  }

  async start(unit: string, order: UnitOrder, signal: AbortSignal): Promise<void> {
    const { store, states } = this.#parts;
    await this.#prepare(unit, order, signal);
    signal.throwIfAborted();
    store.expectStart(unit);
    const result = await this.#startJob(unit, signal).catch((error: unknown) => {
      states.doubt(unit); // systemd may have been asked already: what was known of the unit is from before that
      throw error;
    });
    if (ranResults.has(result)) store.markStarted(unit);
    if (result === 'done') return;
    const properties = await states.read(unit, signal);
    if (result === 'unknown' && properties.get('ActiveState') === 'active') return;
    throw new AgentError(
      'INTERNAL',
      `Cannot start unit "${unit}": systemd's job ended "${result}" (${describeFailure(properties)})`,
    );
  }

  /** Its file, its environment and its links are there, and systemd has read them. */
  async #prepare(unit: string, order: UnitOrder, signal: AbortSignal): Promise<void> {
    const { store, states } = this.#parts;
    const record = { cluster: this.#context.clusterId, ...order };
    const content = composeUnitFile(record, order.text);
    const present = store.read(unit)?.content ?? (await this.#create(unit, order, content, signal));
    if (present !== undefined) await this.#adopt(unit, order, content, present, signal);
    store.writeEnvironment(unit, order.environment);
    if (!this.#settled.has(unit)) {
      await this.#reloadFor(await this.#links.enable(unit, order.text, signal), signal);
      this.#settled.add(unit);
    }
    states.track(unit);
  }

  /** Writes the file of a unit that nobody has. Returns the file that came in between, if one did. */
  async #create(unit: string, order: UnitOrder, content: string, signal: AbortSignal): Promise<string | undefined> {
    const { store, manager } = this.#parts;
    const [isLoaded, folders] = await Promise.all([manager.isLoaded(unit, signal), this.#unitFolders(signal)]);
    const foreign = store.foreignPath(unit, folders);
    if (foreign !== undefined) {
      throw new AgentError(
        'CONFLICT',
        `Cannot start unit "${unit}": the host itself has one of that name (${foreign})`,
      );
    }
    this.#links.assertHarmless(unit, order.text, folders);
    if (isLoaded) await this.#assertNotHosts(unit, signal);
    signal.throwIfAborted();
    if (!store.create(unit, content)) return store.read(unit)?.content ?? '';
    if (isLoaded) await this.#reloadIfNeeded(unit, signal);
    return undefined;
  }

  /** systemd may know a unit without a file: a mount, or one whose file was deleted. While it's up, it is somebody's. */
  async #assertNotHosts(unit: string, signal: AbortSignal): Promise<void> {
    const { store, manager } = this.#parts;
    const [active, fragment] = await Promise.all([
      manager.unitProperty(unit, UNIT_INTERFACE, 'ActiveState', signal).then(asString),
      manager.unitProperty(unit, UNIT_INTERFACE, 'FragmentPath', signal).then(asString),
    ]);
    if (active === 'inactive' || active === 'failed') return;
    // Ours: only its file was deleted, which systemd has seen or hasn't.
    if ((fragment === '' || fragment === store.fragmentPath(unit)) && store.hasEnvironment(unit)) return;
    const where = fragment === '' ? 'it has no file' : `from ${fragment}`;
    throw new AgentError('CONFLICT', `Cannot start unit "${unit}": the host itself runs one of that name (${where})`);
  }

  /** Brings a file that is there to what is ordered, if it's ours and of the same spec. */
  async #adopt(unit: string, order: UnitOrder, content: string, present: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const record = store.read(unit)?.record;
    if (record?.cluster !== this.#context.clusterId || record.key !== order.key) {
      const owner =
        record === undefined ? 'the host itself' : `instance "${record.key}" of cluster "${record.cluster}"`;
      const path = store.fragmentPath(unit);
      throw new AgentError('CONFLICT', `Cannot start unit "${unit}": ${owner} has one of that name (${path})`);
    }
    if (record.specHash !== order.specHash) {
      throw new AgentError(
        'CONFLICT',
        `Cannot start unit "${unit}" of spec "${order.specHash}": that of spec "${record.specHash}" must be removed first`,
      );
    }
    if (record.disconnect !== order.disconnect) await this.#assertDown(unit, record.disconnect, signal);
    const isSame = isSameUnit(present, content);
    if (!isSame) store.replace(unit, content);
    if (!isSame || !this.#settled.has(unit)) await this.#reloadIfNeeded(unit, signal);
  }

  /** What runs stays in the control group that it was started in: relabelled, the dead man's switch wouldn't find it. */
  async #assertDown(unit: string, mode: DisconnectMode, signal: AbortSignal): Promise<void> {
    const { manager } = this.#parts;
    const active = asString(await manager.unitProperty(unit, UNIT_INTERFACE, 'ActiveState', signal));
    if (active === 'inactive' || active === 'failed') return;
    throw new AgentError(
      'CONFLICT',
      `Cannot start unit "${unit}": the one that runs with disconnect "${mode}" must be stopped first`,
    );
  }

  /** A unit that isn't in memory is read from its file when it's next named: asking for it here does that. */
  async #reloadIfNeeded(unit: string, signal: AbortSignal): Promise<void> {
    const needs = await this.#parts.manager.unitProperty(unit, UNIT_INTERFACE, 'NeedDaemonReload', signal);
    if (needs === true) await this.#reloadFor('now', signal);
  }

  async #reloadFor(need: ReloadNeed, signal: AbortSignal): Promise<void> {
    if (need === 'soon') this.#reloadSoon();
    if (need === 'now') await abortable(this.#reload.request(), signal);
    signal.throwIfAborted();
  }

  #reloadSoon(): void {
    this.#cancelReload();
    this.#cancelReload = this.#context.clock.after(QUIET_MS, () => {
      this.#reload.request().catch((err: unknown) => {
        if (!this.#closed.signal.aborted) this.#context.log.warn({ err }, 'systemd reload failed');
      });
    });
  }

  /**
   * On abort: once systemd has answered that the job is made. Whoever asks for the unit then sees the job, and a stop cancels it;
   * a start that is given up on its way would be carried out after the unit was said to be stopped.
   */
  async #startJob(unit: string, signal: AbortSignal): Promise<string> {
    const { store, manager } = this.#parts;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#jobs.run(() => manager.startUnit(unit, this.#closed.signal), signal)) ?? 'unknown';
      } catch (error) {
        signal.throwIfAborted();
        if (!isNoSuchUnit(error) || attempt === START_ATTEMPTS) throw refusedStart(unit, error);
        store.touchFolder();
      }
    }
  }

  async stop(unit: string, signal: AbortSignal): Promise<void> {
    const { store, manager } = this.#parts;
    store.clearStarted(unit); // first: should we crash before it has ended, nothing else would tell its end from one of its own
    const result = await this.#jobs.run(() => manager.stopUnit(unit, signal), signal);
    const active =
      result === undefined
        ? 'inactive'
        : asString(await manager.unitProperty(unit, UNIT_INTERFACE, 'ActiveState', signal));
    if (active === 'inactive' || active === 'failed') return;
    throw new AgentError(
      'INTERNAL',
      `Cannot stop unit "${unit}": it is "${active}" after systemd's job ended "${result}"`,
    );
  }

  async remove(unit: string, signal: AbortSignal): Promise<void> {
    const { store, manager, states } = this.#parts;
    const active = asString(await manager.unitProperty(unit, UNIT_INTERFACE, 'ActiveState', signal));
    if (active !== 'inactive' && active !== 'failed') {
      throw new AgentError('CONFLICT', `Cannot remove unit "${unit}": expected it to be stopped, it is "${active}"`);
    }
    const text = store.read(unit)?.content ?? '';
    const need = await this.#links.disable(unit, text, signal).catch((err: unknown) => {
      signal.throwIfAborted();
      this.#context.log.warn({ unit, err }, 'unit could not be disabled');
      return 'none' as const;
    });
    store.remove(unit);
    states.forget(unit);
    this.#settled.delete(unit);
    await this.#reloadFor(need, signal);
    await manager.resetFailed(unit, signal).catch((err: unknown) => {
      signal.throwIfAborted();
      this.#context.log.warn({ unit, err }, 'failed state could not be reset');
    });
  }

  /** The folders are asked for once; a reload can't change them, another systemd can. */
  #unitFolders(signal: AbortSignal): Promise<readonly string[]> {
    const asking = this.#folders ?? this.#parts.manager.unitFolders(this.#closed.signal);
    this.#folders = asking;
    return asking.catch((error: unknown) => {
      if (this.#folders === asking) this.#folders = undefined;
      signal.throwIfAborted();
      throw error;
    });
  }

  /** After a lost connection: systemd may be another. */
  forget(): void {
    this.#settled.clear();
    this.#folders = undefined;
  }

  close(): void {
    this.#closed.abort();
    this.#cancelReload();
    this.#jobs.close();
  }
}

function refusedStart(unit: string, error: unknown): unknown {
  if (!(error instanceof AgentError) || error.code !== 'INTERNAL') return error;
  const why = error.cause instanceof Error ? error.cause.message : error.message;
  return new AgentError('INTERNAL', `Cannot start unit "${unit}": ${why}`, { cause: error.cause });
}
