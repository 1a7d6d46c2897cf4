import assert from 'node:assert/strict';
import type { Codec } from '../../../src/cluster/codec.ts';
import {
  assignmentCodec,
  candidateCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  specCodec,
  statusCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import type { Leadership } from '../../../src/cluster/election.ts';
import { makeLayout, parseNodeInstancePath } from '../../../src/cluster/layout.ts';
import { type InstanceKey, type NodeId, parseClusterId, type WorkloadName } from '../../../src/domain/ids.ts';
import type { Hold, NodeSettings, NodeVerdict, Presence, PresenceState } from '../../../src/domain/node.ts';
import { Leader } from '../../../src/leader/leader.ts';
import type { LeaderOptions } from '../../../src/leader/leader-term.ts';
import type { Log, LogMethod } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { MemoryKv } from '../../support/memory-kv.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { makeWorkload, nodeId, type WorkloadOptions } from '../plan/plan-cluster-world.ts';

export const TTL_MS = 10_000;
export const layout = makeLayout('/muster', parseClusterId('demo'));
export const electionKey = `${layout.election}77`;

const upPresence: Presence = { nonce: 'n', bootId: 'b', ttlMs: TTL_MS, state: 'up' };

/** A store with nodes that do what they are ordered when told to, and a leader on it. */
export class LeaderFixture {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore(this.clock);
  readonly kv: MemoryKv;
  readonly lines: { readonly level: string; readonly fields: Record<string, unknown>; readonly message: string }[] = [];
  /** As it was last told to lead. */
  leader: Leader | undefined;
  readonly #stop = new AbortController();
  /** How the last term ended; undefined while it goes on. */
  outcome: 'resolved' | Error | undefined;
  #running: Promise<void> | undefined;
  readonly #beats = new Map<NodeId, () => void>();

  constructor(...names: string[]) {
    this.kv = this.store.client('leader');
    for (const name of names) this.addNode(name);
    this.put(electionKey, candidateCodec, { node: nodeId('z'), nonce: 'n' });
  }

  put<T>(key: string, codec: Codec<T>, value: T): void {
    this.putText(key, codec.encode(value));
  }

  putText(key: string, value: string): void {
    this.store.commit({ compares: [], writes: [{ put: key, value }] });
  }

  delete(key: string): void {
    this.store.commit({ compares: [], writes: [{ delete: key }] });
  }

  addNode(name: string): NodeId {
    const node = nodeId(name);
    this.put(layout.nodeRecord(node), nodeRecordCodec, {
      machineId: name,
      bootId: 'b',
      hostname: name,
      addresses: [],
      advertise: '',
      labels: {},
      capacity: { cpus: 4, memoryBytes: 1_000 },
      runtimes: { docker: '20', systemd: '252' },
      agentVersion: '1',
      formats: [1],
      at: '',
    });
    this.setPresence(node, 'up');
    return node;
  }

  setPresence(node: NodeId, state: PresenceState): void {
    this.put(layout.presence(node), presenceCodec, { ...upPresence, state });
  }

  /** From here on the node's presence is bound to a lease that it renews each quarter of the TTL, until it {@link die}s. */
  beat(node: NodeId, afterMs = 0): void {
    const { id } = this.store.grantLease(TTL_MS);
    this.store.commit({
      compares: [],
      writes: [{ put: layout.presence(node), value: presenceCodec.encode(upPresence), lease: id }],
    });
    const renew = () => {
      this.store.renewLease(id);
      this.#beats.set(node, this.clock.after(TTL_MS / 4, renew));
    };
    this.#beats.set(node, this.clock.after(afterMs, renew));
  }

  /** It renews its lease no more. */
  die(node: NodeId): void {
    this.#beats.get(node)?.();
    this.#beats.delete(node);
  }

  verdictOf(node: NodeId): NodeVerdict | undefined {
    const key = layout.verdict(node);
    const stored = this.store.get(key);
    return stored === undefined ? undefined : nodeVerdictCodec.decode(stored.value, key);
  }

  get hold(): Hold | undefined {
    const key = layout.hold('mass-loss');
    const stored = this.store.get(key);
    return stored === undefined ? undefined : holdCodec.decode(stored.value, key);
  }

  setSettings(node: NodeId, settings: Partial<NodeSettings>): void {
    this.put(layout.nodeSettings(node), nodeSettingsCodec, {
      cordoned: false,
      draining: false,
      labels: {},
      ...settings,
    });
  }

  setWorkload(name: string, options: WorkloadOptions = {}): void {
    const workload = makeWorkload(options);
    const run = { kind: 'unit', text: '' } as const;
    this.put(layout.spec(name as WorkloadName, workload.spec), specCodec, { number: workload.spec, hash: 'h', run });
    this.put(layout.workload(name as WorkloadName), workloadCodec, workload);
  }

  /** Leads until {@link close}; the candidate's key is as it is now. */
  lead(over: Partial<Leadership> = {}, more: Partial<LeaderOptions> = {}): void {
    const createRevision = this.store.get(electionKey)?.createRevision ?? 0;
    const { clock, kv } = this;
    const log = this.#makeLog();
    this.leader = new Leader({ kv, layout, clock, log, random: () => 0.5, ttlMs: TTL_MS, ...more });
    const leadership = { term: { electionKey, createRevision }, predecessor: undefined, ...over };
    this.#running = this.leader.run(leadership, this.#stop.signal).then(
      () => {
        this.outcome = 'resolved';
      },
      (error: unknown) => {
        this.outcome = error as Error;
      },
    );
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const stop of this.#beats.values()) stop();
    await this.clock.advance(0);
    await this.#running;
  }

  /** Every present node does as it's ordered, and says so. */
  obey(): void {
    for (const { key, value, modRevision } of this.store.list(layout.assignments)) {
      if (!isReadable(key, value)) continue;
      const { node, instance } = parseNodeInstancePath(layout.assignments, key);
      if (this.store.get(layout.presence(node)) === undefined) continue;
      const { order, spec } = assignmentCodec.decode(value, key);
      const status = layout.status(node, instance);
      const said = this.store.get(status);
      if (said?.value === 'garbage') continue;
      if (said !== undefined && statusCodec.decode(said.value, status).assignmentRevision === modRevision) continue;
      this.put(status, statusCodec, {
        assignmentRevision: modRevision,
        spec,
        phase: order === 'run' ? 'running' : 'stopped',
        healthy: order === 'run',
        health: 'none',
        since: '',
        restarts: 0,
      });
    }
  }

  /** Lets leader and nodes act until neither has anything to do. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.store.revision; ) {
      before = this.store.revision;
      await this.clock.advance(10);
      this.obey();
      await this.clock.advance(10);
    }
  }

  /** `web/0 a run` for each assignment, in order of the instances. */
  orders(): string[] {
    return this.store
      .list(layout.assignments)
      .filter(({ key, value }) => isReadable(key, value))
      .map(({ key, value }) => {
        const { node, instance } = parseNodeInstancePath(layout.assignments, key);
        const { order, superseded } = assignmentCodec.decode(value, key);
        return `${instance} ${nameOf(node)} ${order}${superseded === true ? ' superseded' : ''}`;
      })
      .sort();
  }

  pendingOf(key: string): string | undefined {
    const at = layout.instance(key as InstanceKey);
    const stored = this.store.get(at);
    return stored === undefined ? undefined : instanceCodec.decode(stored.value, at).pending?.reason;
  }

  /** The error that ended the term. */
  get failure(): Error {
    assert.ok(this.outcome instanceof Error, 'the term goes on, or was ended from outside');
    return this.outcome;
  }

  linesOf(message: string): Record<string, unknown>[] {
    return this.lines.flatMap((line) => (line.message === message ? [line.fields] : []));
  }

  #makeLog(): Log {
    const method =
      (level: string): LogMethod =>
      (fields: Readonly<Record<string, unknown>> | string, message?: string) => {
        if (typeof fields === 'string') this.lines.push({ level, fields: {}, message: fields });
        else this.lines.push({ level, fields, message: message ?? '' });
      };
    return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
  }
}

/** Leads nodes a, b and c with these workloads until all is settled. */
export async function settledFixture(workloads: Record<string, WorkloadOptions>): Promise<LeaderFixture> {
  const fixture = new LeaderFixture('a', 'b', 'c');
  for (const [name, options] of Object.entries(workloads)) fixture.setWorkload(name, options);
  fixture.lead();
  await fixture.settle();
  return fixture;
}

/** The short name that {@link nodeId} made an ID of. */
export function nameOf(node: NodeId): string {
  return Buffer.from(node, 'hex').toString().replaceAll('\0', '');
}

function isReadable(key: string, value: string): boolean {
  return value !== 'garbage' && key.split('/').length === layout.assignments.split('/').length + 2;
}
