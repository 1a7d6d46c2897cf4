import { SharedReads } from '../cluster/shared-reads.ts';
import type { NodeStatsAnswer } from '../wire/stats-answers.ts';
import { Turns } from './turns.ts';

/** What costs much, held to so much at once, whoever asks and however often. */
export interface HeavyWork {
  /** Each holds the whole state. */
  readonly plans: Turns;
  /** Each reads all that the store still has of the past. */
  readonly histories: Turns;
  /** Each asks every node. */
  readonly stats: Turns;
  /** What this node counts of itself is counted once for all who ask at the same time. */
  readonly usage: SharedReads<NodeStatsAnswer>;
}

/** An API's own. */
export function makeHeavyWork(): HeavyWork {
  return {
    plans: new Turns({ most: 4, atOnce: 1, what: 'plans' }),
    histories: new Turns({ most: 8, atOnce: 2, what: 'histories' }),
    stats: new Turns({ most: 16, atOnce: 4, what: 'answers to what nodes use' }),
    usage: new SharedReads(),
  };
}
