import { AgentError } from '../domain/errors.ts';
import type { ClusterSettings, StoreLine } from '../domain/node.ts';
import type { Kv, Revision, StoreIdentity } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import { Changes } from '../loop/changes.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { ReconcileLoop } from '../loop/reconcile-loop.ts';
import {
  asFallen,
  asHeard,
  describeDoubt,
  describeLine,
  isContinuation,
  judgeStore,
  type KnownStore,
  laterLine,
} from './store-line.ts';
import { type LineFiles, StoreLineFile } from './store-line-file.ts';

export interface StoreTrustOptions {
  readonly kv: Pick<Kv, 'identity'>;
  readonly files: LineFiles;
  /** The settings as the store has them now; undefined where they are gone, or can't be understood. */
  readonly readSettings: (signal: AbortSignal) => Promise<Settings | undefined>;
  /** The cluster's range in the store. */
  readonly root: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Trust has been lost or found again. */
  readonly onChange: () => void;
}

const FAR_MS = 3_600_000;

type Settings = Pick<ClusterSettings, 'epoch' | 'confirmedStore'>;

/** What the store was found at, and what was known when it was asked. */
interface Look {
  readonly known: KnownStore | undefined;
  readonly current: StoreLine | undefined;
  readonly found: StoreLine;
}

/**
 * Whether the store is the one that this node has known, and not an older copy or another one. Every answer is compared with what
 * the store was known to be when it was asked. One that doesn't go on from there, or a connection that is lost, is cleared up by a
 * look: linearizable reads of the settings, and of where the store is. What is known outlives the process.
 */
export class StoreTrust {
  readonly #options: StoreTrustOptions;
  readonly #changes = new Changes();
  readonly #loop: ReconcileLoop;
  readonly #lostListeners = new Set<() => void>();
  readonly #file: StoreLineFile;
  #isJudged = false;
  /** How often something has spoken against it, and up to which of them it has been looked at since. */
  #suspicions = 0;
  #cleared = 0;
  /** It's to be looked at, though nothing speaks against it. */
  #isLookDue = false;
  #judgements = 0;
  /** How far the store that answers has come; the line that is known, but for a doubt. */
  #current: StoreLine | undefined;
  /** Raised whenever the store turns out to be another one: what was asked before is answered by one that is no more. */
  #era = 0;
  /** The furthest that an answer of this attempt to join has told of, before this process first judged it. */
  #heard: Revision = 0;
  /** A linearizable answer was of this revision, and more had been known when it was asked for. */
  #fellTo: Revision | undefined;
  #settings: Settings | undefined;

  constructor(options: StoreTrustOptions) {
    const { clock, log, random } = options;
    this.#options = options;
    this.#file = new StoreLineFile(options);
    this.#loop = new ReconcileLoop({
      clock,
      intervalMs: FAR_MS,
      backoffMs: (failures) => backoffMs(failures, { firstMs: 100, maxMs: 250, jitter: 0.5, random }),
      pass: (signal) => this.#pass(signal),
      onFailure: (err) => log.debug({ err }, 'store line not read yet'),
    });
  }

  /** For people; undefined while nothing speaks against the store. */
  get doubt(): string | undefined {
    return describeDoubt(this.#file.known);
  }

  /** What is known of the store: its line when it was last trusted, and what is in doubt. */
  get known(): KnownStore | undefined {
    return this.#file.known;
  }

  /** The highest epoch seen; 0 before the first. */
  get epoch(): number {
    return this.#file.known?.epoch ?? 0;
  }

  /** It has been judged by this process, and is not in doubt: what it says may be acted on. */
  get isUsable(): boolean {
    return this.#isJudged && this.#file.known?.doubt === undefined;
  }

  /** How far the store that answers is known to have come. An answer to a question asked now can't come from before. */
  get revision(): Revision {
    return this.#current?.revision ?? 0;
  }

  /** It's usable, and has been looked at since something spoke against it. What it says meanwhile waits for that look. */
  get isClear(): boolean {
    return this.isUsable && this.#cleared === this.#suspicions;
  }

  /** Resolves once it's clear, or the signal aborts. */
  untilClear(signal: AbortSignal): Promise<void> {
    return this.#changes.until(() => this.isClear, signal);
  }

  /** Calls `lost` once each time it stops being usable; returns the way to stop that. */
  onLost(lost: () => void): () => void {
    this.#lostListeners.add(lost);
    return () => this.#lostListeners.delete(lost);
  }

  /** Reads what an earlier process knew. */
  async load(): Promise<void> {
    await this.#file.load();
    if (this.doubt !== undefined) this.#options.onChange();
  }

  /** Reads where the store is, and judges it with the settings it holds. True: it's usable. */
  async judge(settings: Settings, signal: AbortSignal, suspicions = this.#suspicions): Promise<boolean> {
    const { known, current, found } = await this.#find(signal);
    this.#judgements += 1;
    this.#settings = settings;
    const before = this.#isJudged ? known : asHeard(known, this.#heard, found, settings);
    const wasUsable = this.isUsable;
    const hadDoubt = this.#file.known?.doubt !== undefined;
    const judged = asFallen(before, judgeStore(before, found, settings), this.#fellTo);
    this.#fellTo = undefined;
    const now = this.#file.known;
    // What was known before a confirmation is forgotten with it, however far that had come.
    const goesOn = before !== undefined && isContinuation(before.line, found);
    const hasMoved =
      goesOn && judged.doubt === undefined && now?.doubt === undefined && now?.line.clusterId === found.clusterId;
    this.#file.know(hasMoved ? { ...judged, line: laterLine(judged.line, now.line) } : judged);
    this.#current = judged.doubt === undefined ? this.#file.known?.line : found;
    this.#isJudged = true;
    const wasSuspect = this.#cleared < suspicions;
    this.#cleared = Math.max(this.#cleared, suspicions);
    if (hadDoubt !== (judged.doubt !== undefined)) this.#logChange();
    // One that was confirmed while this node was away is trusted at once, and yet all that was read from it is of another: it may
    // even have come further by now than the one before.
    const isAnother =
      before !== undefined && (settings.epoch > before.epoch || !isContinuation(current ?? before.line, found));
    if (isAnother) this.#era += 1;
    if (wasUsable && (isAnother || !this.isUsable)) for (const lost of [...this.#lostListeners]) lost();
    const hasChanged = isAnother || this.isUsable !== wasUsable || hadDoubt !== (judged.doubt !== undefined);
    if (wasSuspect && !hasChanged) this.#changes.tell();
    await this.#file.save();
    if (hasChanged) {
      this.#changes.tell();
      this.#options.onChange();
    }
    return this.isUsable;
  }

  /** Where the store is, and what was known of it when that was asked: asked again where it has been judged meanwhile. */
  async #find(signal: AbortSignal): Promise<Look> {
    for (;;) {
      const [known, current, judgements] = [this.#file.known, this.#current, this.#judgements];
      const found = await this.#inEra(() => this.#options.kv.identity(signal));
      if (judgements === this.#judgements) return { known, current, found };
    }
  }

  /**
   * Reads the settings and where the store is, and judges it anew. A store that was restored and confirmed while nobody heard of it,
   * and has come further since than the one before, shows it by the epoch alone.
   */
  async lookAgain(signal: AbortSignal): Promise<void> {
    const suspicions = this.#suspicions;
    const settings = (await this.#inEra(() => this.#options.readSettings(signal))) ?? this.#settings;
    if (settings !== undefined) await this.judge(settings, signal, suspicions);
  }

  /**
   * Something speaks against it: it's looked at soon, and until then it isn't clear. Also where a connection was lost, since it may have
   * been restored while there was none.
   */
  suspect(): void {
    this.#suspicions += 1;
    this.#loop.nudge();
  }

  /** The settings as they are now: an operator may have confirmed the store, or it knows nothing of a confirmation that was. */
  noteSettings(settings: Settings): void {
    const isOtherEpoch = settings.epoch !== this.epoch;
    this.#settings = settings;
    if (isOtherEpoch) this.suspect();
  }

  /** What a member said of the store in passing. It may lag behind; a term may be of an election that isn't over. */
  noteHint(hint: StoreLine): void {
    const current = this.#current;
    if (current === undefined) this.#heard = Math.max(this.#heard, hint.revision);
    else if (hint.clusterId !== current.clusterId || hint.raftTerm < current.raftTerm) this.suspect();
    else if (hint.raftTerm === current.raftTerm && hint.revision >= current.revision) this.noteRevision(hint.revision);
    else {
      this.#isLookDue = true;
      this.#loop.nudge();
    }
  }

  /** Whether it's of another cluster than the store that was judged. */
  isForeign({ clusterId }: StoreLine): boolean {
    return this.#current !== undefined && this.#current.clusterId !== clusterId;
  }

  /** The store is asked anew: what an earlier attempt was told nobody has gone by. */
  beginListening(): void {
    this.#heard = 0;
  }

  /** The store that was judged has come so far. */
  noteRevision(revision: Revision): void {
    const current = this.#current;
    if (current === undefined || revision <= current.revision) return;
    this.#current = { ...current, revision };
    const known = this.#file.known;
    if (known === undefined || known.doubt !== undefined) return;
    this.#file.know({ ...known, line: this.#current });
    if (this.#file.isDue) this.#loop.nudge();
  }

  /**
   * Passes a linearizable answer on. `UNAVAILABLE` where it's no continuation of what the store was known to be when it was asked, or
   * that has turned out to be another one since: by an answer on its way for so long nothing is known of that.
   */
  async checked<T extends StoreIdentity>(ask: () => Promise<T>): Promise<T> {
    const known = this.#current;
    const answer = await this.#inEra(ask);
    if (known === undefined || isContinuation(known, answer)) {
      this.noteRevision(answer.revision);
      return answer;
    }
    const hasFallen = answer.clusterId === known.clusterId && answer.revision < known.revision;
    if (hasFallen) this.#fellTo = Math.min(answer.revision, this.#fellTo ?? answer.revision);
    this.suspect();
    throw new AgentError(
      'UNAVAILABLE',
      `Cannot rely on the answer of etcd: expected it to go on from ${describeLine(known)}, got ${describeLine(answer)}`,
    );
  }

  /** Clears up what is suspected, and writes down what moves, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** Writes down what is known, where that has changed. Never rejects. */
  async flush(): Promise<void> {
    await this.#file.save();
  }

  async #inEra<T>(ask: () => Promise<T>): Promise<T> {
    const era = this.#era;
    const answer = await ask();
    if (era === this.#era) return answer;
    throw new AgentError(
      'UNAVAILABLE',
      'Cannot rely on the answer of etcd: expected it from the store that is judged now, got it from the one before',
    );
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const isDue = this.#isLookDue || this.#cleared < this.#suspicions;
    if (isDue && this.#isJudged) {
      this.#isLookDue = false;
      await this.lookAgain(signal).catch((error: unknown) => {
        this.#isLookDue = true;
        throw error;
      });
    }
    if (this.#file.isDue && this.#isJudged) await this.#file.save();
  }

  #logChange(): void {
    const { log } = this.#options;
    const known = this.#file.known;
    if (known?.doubt !== undefined) {
      log.error({ known: known.line, found: known.doubt, reason: this.doubt }, 'store in doubt');
    } else log.warn({ line: known?.line, epoch: known?.epoch }, 'store trusted again');
  }
}
