import { makeInstanceKey, parseSlot, parseWorkloadName } from '../../../src/domain/ids.ts';
import { displayName } from '../../../src/domain/names.ts';
import type { Reason } from './judge.ts';
import { nowMs } from './run-log.ts';

/** What was put, or deleted, below the cluster's root. */
export interface PastChange {
  readonly atMs: number;
  readonly revision: number;
  /** Below the root: `status/<node>/<workload>/<slot>`. */
  readonly path: string;
  /** Undefined: deleted. */
  readonly value: string | undefined;
}

interface GatewayEvent {
  readonly type?: 'DELETE';
  readonly kv: { readonly key: string; readonly value?: string; readonly mod_revision: string };
}

interface GatewayBatch {
  readonly result?: {
    readonly header: { readonly revision: string };
    readonly compact_revision?: string;
    readonly events?: readonly GatewayEvent[];
  };
}

/** A watch that is silent for so long is opened anew elsewhere: its member may be cut off without knowing. */
const silenceMs = 5_000;
const ranges = /^(assignments|status|instances|holds|nodes)\//;

/** Everything that changes in the store, in order and without a gap, past muster: through etcd's own JSON gateway. */
export class StoreHistory {
  readonly changes: PastChange[] = [];
  readonly #root: string;
  readonly #endpoints: readonly string[];
  readonly #stop = new AbortController();
  #revision = 0;
  #done: Promise<void> = Promise.resolve();

  constructor(root: string, endpoints: readonly string[]) {
    this.#root = root;
    this.#endpoints = endpoints;
  }

  /** Follows the store from a revision on, until closed. */
  follow(fromRevision: number): this {
    this.#revision = fromRevision - 1;
    this.#done = this.#run();
    return this;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
      const endpoint = this.#endpoints[turn % this.#endpoints.length] ?? '';
      const quiet = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, quiet.signal]);
      await this.#watch(endpoint, quiet, signal).catch(() => undefined);
      if (!quiet.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async #watch(endpoint: string, quiet: AbortController, signal: AbortSignal): Promise<void> {
    let timer = setTimeout(() => quiet.abort(), silenceMs);
    try {
      const start = { key: encode(this.#root), range_end: encode(`${this.#root.slice(0, -1)}0`) };
      const body = JSON.stringify({ create_request: { ...start, start_revision: String(this.#revision + 1) } });
      const response = await fetch(`${endpoint}/v3/watch`, { method: 'POST', body, signal });
      let rest = '';
      const decoder = new TextDecoder();
      for await (const bytes of response.body ?? []) {
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), silenceMs);
        const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.#take(JSON.parse(line) as GatewayBatch);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take({ result }: GatewayBatch): void {
    const compacted = Number(result?.compact_revision ?? 0);
    if (compacted > 0) this.#revision = Math.max(this.#revision, compacted - 1);
    const atMs = nowMs();
    for (const { type, kv } of result?.events ?? []) {
      const revision = Number(kv.mod_revision);
      this.#revision = Math.max(this.#revision, revision);
      const path = decode(kv.key).slice(this.#root.length);
      if (!ranges.test(path)) continue;
      this.changes.push({ atMs, revision, path, value: type === 'DELETE' ? undefined : decode(kv.value ?? '') });
    }
  }
}

/**
 * Why something was done to instances, as far as the cluster itself has recorded it: an order to stop or to run another
 * spec, and what a node says that it did last where that was to stop, to remove or to start what had ended.
 */
export function findReasons(changes: readonly PastChange[]): Reason[] {
  const specs = new Map<string, number>();
  const reasons: Reason[] = [];
  for (const { path, value, atMs } of changes) {
    const [range = '', node = '', workload = '', slot = ''] = path.split('/');
    if (value === undefined || (range !== 'assignments' && range !== 'status')) continue;
    const said = parse(value);
    const text = range === 'status' ? actionReason(said.lastAction) : orderReason(said, specs.get(path));
    if (range === 'assignments' && said.spec !== undefined) specs.set(path, said.spec);
    if (text === undefined || text === '') continue;
    const instance = displayName(makeInstanceKey(parseWorkloadName(workload), parseSlot(slot)));
    reasons.push({ instance, node, atMs, kind: range === 'status' ? 'report' : 'order', text });
  }
  return reasons;
}

interface Said {
  readonly order?: string;
  readonly spec?: number;
  readonly reason?: string;
  readonly lastAction?: { readonly kind: string; readonly reason: string };
}

function parse(value: string): Said {
  try {
    return JSON.parse(value) as Said;
  } catch {
    return {};
  }
}

function orderReason({ order, spec, reason }: Said, specBefore: number | undefined): string | undefined {
  const isOther = specBefore !== undefined && spec !== specBefore;
  return order === 'stop' || isOther ? reason : undefined;
}

/** `ended` says that it was found ended, not why it did: that explains nothing. */
function actionReason(action: Said['lastAction']): string | undefined {
  if (action === undefined || (action.kind !== 'stop' && action.kind !== 'remove')) return undefined;
  return action.reason;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decode(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}
