import { AgentError } from '../domain/errors.ts';
import type { Compare, Kv, Revision, Transaction, Write } from '../etcd/port.ts';

/**
 * The right to write as leader: the election key with the create revision that it had when the term began. It's written once, so that
 * its mod revision is the same: one that somebody has written over is a right no more.
 */
export interface Term {
  readonly electionKey: string;
  readonly createRevision: Revision;
}

/** The store as the leader is given it: the leader hands it on to the mirror and to commits. */
export type LeaderKv = Kv;
/** One of a leader's changes, before the term is added to it. */
export type LeaderTransaction = Transaction;
export type LeaderCompare = Compare;
export type LeaderWrite = Write;

/**
 * Applies all writes, or none when a compare is lost. Rejects with `FENCED` when the term has ended; with `UNAVAILABLE` the
 * writes may or may not have been applied.
 */
export async function commitAsLeader(
  kv: LeaderKv,
  term: Term,
  txn: LeaderTransaction,
  signal: AbortSignal,
): Promise<{ readonly applied: boolean; readonly revision: Revision }> {
  const guard: Compare = { key: term.electionKey, modRevision: term.createRevision };
  const result = await kv.commit({ compares: [guard, ...txn.compares], writes: txn.writes }, signal);
  if (result.applied) return result;
  if (await isLeadingStill(kv, term, signal)) return result;
  throw new AgentError('FENCED', `Cannot commit in term ${term.createRevision}: it has ended`);
}

/** Whether the term goes on, by a linearizable read: for what can't be part of a transaction. */
export async function isLeadingStill(kv: LeaderKv, term: Term, signal: AbortSignal): Promise<boolean> {
  const { kv: candidate } = await kv.get(term.electionKey, signal);
  return candidate?.modRevision === term.createRevision;
}
