import type { NodeId } from '../domain/ids.ts';
import { restartOf } from '../domain/run-hash.ts';
import type { Assignment, Failing, InstanceCopy, InstanceRecord, Move } from '../domain/spec.ts';
import type { Versioned } from './cluster-view.ts';
import type { StepAction, StepGuard, StepWrite } from './plan-cluster-step.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';

/** Moves kept in an instance's record. */
const MOVES_KEPT = 10;

/** Nodes kept where an instance has failed. */
const FAILING_NODES_KEPT = 10;

type Role = InstanceCopy['role'];
type Pending = NonNullable<InstanceRecord['pending']>;

/**
 * One step in the making: all writes of one instance. The record follows from what is done to the copies; everything that was
 * read of the instance is compared.
 */
export class StepDraft {
  readonly #subject: Subject;
  readonly #record: Versioned<InstanceRecord> | undefined;
  readonly #roles = new Map<NodeId, Role>();
  readonly #lost: Set<NodeId>;
  readonly #writes: StepWrite[] = [];
  readonly #guards: StepGuard[] = [];
  #lastNode: NodeId | undefined;
  #moves: readonly Move[];
  #failing: Failing | undefined;
  #pending: Pending | undefined;
  #forgotten = false;
  #from: NodeId | undefined;
  #to: NodeId | undefined;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#record = subject.instance.record;
    const record = this.#record?.value;
    if (subject.current !== undefined) this.#roles.set(subject.current.node, 'current');
    for (const other of subject.others) this.#roles.set(other.node, 'superseded');
    // Its order is gone, by no step of ours: as long as it may run, the record is what tells of it.
    for (const ghost of subject.ghosts) {
      if (subject.mode === 'stop' && ghost.isRecorded && ghost.standing !== 'lost')
        this.#roles.set(ghost.node, 'superseded');
    }
    this.#lost = new Set(subject.others.flatMap(({ node, isReplaced }) => (isReplaced ? [node] : [])));
    const last = record?.lastNode;
    this.#lastNode = last !== undefined && subject.ctx.node(last)?.removal !== undefined ? undefined : last;
    this.#failing = record?.failing;
    this.#moves = record?.moves ?? [];
    this.#pending = record?.pending;
  }

  /** Orders the instance to run there, as the copy that counts, in the workload's present spec. */
  run(node: NodeId, reason: string): this {
    const { workload, instance } = this.#subject;
    const { spec, disconnect, offlineStart, launch } = workload.value;
    const restart = restartOf(workload.value, instance.slot);
    this.#put(node, {
      order: 'run',
      spec,
      disconnect: disconnect.mode,
      ...(offlineStart === true && disconnect.mode === 'keep' ? { offlineStart } : {}),
      reason,
      at: this.#now,
      ...(restart === undefined ? {} : { restart }),
      ...(launch === undefined ? {} : { launch }),
    });
    for (const [other, role] of this.#roles) if (role === 'current') this.#roles.set(other, 'superseded');
    this.#roles.set(node, 'current');
    this.#lastNode = node;
    this.#pending = undefined;
    this.#to = node;
    return this;
  }

  /** Leaves a copy's order as it is, and says that another has replaced it; `lost`: since its node went away. */
  supersede(copy: Copy, lost = false): this {
    if (lost) this.#lost.add(copy.node);
    this.#put(copy.node, { ...copy.assignment.value, superseded: true });
    this.#roles.set(copy.node, 'superseded');
    this.#from = copy.node;
    return this;
  }

  /** Orders a copy to stop. `superseded`: another one has replaced it. */
  stop(copy: Copy, reason: string, superseded = false): this {
    const { superseded: was = false, ...order } = copy.assignment.value;
    const flag = superseded || was ? { superseded: true } : {};
    this.#put(copy.node, { ...order, order: 'stop', reason, at: this.#now, ...flag });
    if (superseded) this.#roles.set(copy.node, 'superseded');
    this.#from = copy.node;
    return this;
  }

  /** Orders to stop what runs on a node without an order. */
  stopGhost(node: NodeId, spec: number, reason: string): this {
    const disconnect = this.#subject.mode;
    this.#put(node, { order: 'stop', spec, disconnect, reason, at: this.#now, superseded: true });
    this.#roles.set(node, 'superseded');
    this.#from = node;
    return this;
  }

  /** Takes a copy away on its receipt, or since its node is gone for good: the order and the report together. */
  drop(copy: Copy): this {
    if (copy.isForgotten) this.whilePresenceIs(copy.node);
    const { key } = this.#subject.instance;
    const view = this.#subject.instance.copies.get(copy.node);
    this.#writes.push({ kind: 'delete-assignment', node: copy.node, key });
    if (view?.status !== undefined) {
      this.#guards.push({ kind: 'status', node: copy.node, key, revision: view.status.revision });
      this.#writes.push({ kind: 'delete-status', node: copy.node, key });
    }
    this.#roles.delete(copy.node);
    this.#from = copy.node;
    return this;
  }

  /**
   * Applies only while the node's presence is as it was seen; absent: where it has been absent ever since. Each registration writes the
   * record anew, so that tells of one that came and went unseen, and may have left something running.
   */
  whilePresenceIs(node: NodeId): this {
    const { presence, recordRevision } = this.#subject.ctx.node(node) ?? {};
    this.#guards.push({ kind: 'presence', node, revision: presence?.revision ?? 0 });
    if (presence === undefined && recordRevision !== undefined)
      this.#guards.push({ kind: 'record', node, revision: recordRevision });
    return this;
  }

  /** Applies only while nothing else is held than what was seen: a commit that is applied late knows of no later mass loss. */
  whileHoldIs(): this {
    const { holdRevision } = this.#subject.ctx.view;
    if (holdRevision !== undefined) this.#guards.push({ kind: 'hold', revision: holdRevision });
    return this;
  }

  /** Adds to the instance's history. */
  move(from: NodeId | undefined, to: NodeId | undefined, reason: string): this {
    const ends = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    this.#moves = [...this.#moves, { at: this.#now, ...ends, reason }].slice(-MOVES_KEPT);
    return this;
  }

  /** It's moved off that node since it keeps failing there. */
  noteFailing(node: NodeId): this {
    const { moves = 0, nodes = [] } = this.#failing ?? {};
    const others = nodes.filter((each) => each !== node);
    this.#failing = { moves: moves + 1, at: this.#now, nodes: [...others, node].slice(-FAILING_NODES_KEPT) };
    return this;
  }

  /** What it failed at before doesn't count any more. */
  forgive(): this {
    this.#failing = undefined;
    return this;
  }

  /** Says why the instance waits; the time of the first such word is kept. */
  pend(reason: string, nodes: Readonly<Record<string, string>>): this {
    this.#pending = { since: this.#pending?.since ?? this.#now, reason, nodes };
    return this;
  }

  unpend(): this {
    this.#pending = undefined;
    return this;
  }

  /** The instance's record goes. */
  forget(): this {
    this.#forgotten = true;
    return this;
  }

  /** Emits the step if there's anything to write; returns whether there was. */
  emit(action: StepAction, reason: string): boolean {
    const record = this.#recordWrite();
    const writes = record === undefined ? this.#writes : [...this.#writes, record];
    if (writes.length === 0) return false;
    const { ctx, name, instance } = this.#subject;
    ctx.emit({
      action,
      workload: name,
      instance: instance.key,
      from: this.#from,
      to: this.#to,
      reason,
      guards: [...this.#readGuards(), ...this.#guards],
      writes,
    });
    return true;
  }

  get #now(): string {
    return this.#subject.ctx.view.nowIso;
  }

  #put(node: NodeId, value: Assignment): void {
    this.#writes.push({ kind: 'put-assignment', node, key: this.#subject.instance.key, value });
  }

  #recordWrite(): StepWrite | undefined {
    const { key } = this.#subject.instance;
    const had = this.#record?.value;
    if (this.#forgotten) return had === undefined ? undefined : { kind: 'delete-instance', key };
    const copies = [...this.#roles]
      .map(([node, role]): InstanceCopy => {
        return { node, role, ...(role === 'superseded' && this.#lost.has(node) ? { lost: true } : {}) };
      })
      .sort((a, b) => (a.role === b.role ? compare(a.node, b.node) : compare(a.role, b.role)));
    const value: InstanceRecord = {
      ...(this.#pending === undefined ? {} : { pending: this.#pending }),
      copies,
      ...(this.#lastNode === undefined ? {} : { lastNode: this.#lastNode }),
      ...(this.#failing === undefined ? {} : { failing: this.#failing }),
      moves: this.#moves,
    };
    const isNothing = copies.length === 0 && value.pending === undefined && this.#moves.length === 0;
    if (had === undefined ? isNothing : isSameRecord(had, value)) return undefined;
    return { kind: 'put-instance', key, value };
  }

  /** Everything that was read of the instance, and the absence of what is about to be made. */
  #readGuards(): StepGuard[] {
    const { name, workload, instance } = this.#subject;
    const { key } = instance;
    const nodes = new Set([...instance.copies.keys(), ...this.#writes.flatMap((w) => ('node' in w ? [w.node] : []))]);
    return [
      { kind: 'workload', name, revision: workload.revision },
      { kind: 'instance', key, revision: this.#record?.revision ?? 0 },
      ...[...nodes].sort(compare).map((node): StepGuard => {
        return { kind: 'assignment', node, key, revision: instance.copies.get(node)?.assignment?.revision ?? 0 };
      }),
    ];
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isSameRecord(a: InstanceRecord, b: InstanceRecord): boolean {
  const roles = (record: InstanceRecord) =>
    record.copies
      .map(({ node, role, lost }) => `${node} ${role} ${lost === true}`)
      .sort()
      .join();
  return (
    a.lastNode === b.lastNode &&
    a.failing === b.failing &&
    a.moves === b.moves &&
    roles(a) === roles(b) &&
    isSamePending(a.pending, b.pending)
  );
}

function isSamePending(a: Pending | undefined, b: Pending | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const nodes = Object.keys(a.nodes);
  if (a.reason !== b.reason || nodes.length !== Object.keys(b.nodes).length) return false;
  return nodes.every((node) => a.nodes[node] === b.nodes[node]);
}
