import type { NodeId } from './ids.ts';
import type { RuntimeKind } from './spec.ts';

/** `nodes/<node>/record`: what a node says of itself; outlives its presence. */
export interface NodeRecord {
  /** The raw machine ID: fleet's clients and `MachineID=` use it. */
  readonly machineId: string;
  readonly bootId: string;
  /** DMI product UUID; absent where the machine has none or it can't be read. */
  readonly productUuid?: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
  /** The one that others should use. */
  readonly advertise: string;
  /** `host:port` where its API listens on TCP; absent where it doesn't. */
  readonly api?: string;
  /** It has the CA's key, and renews the certificates of other nodes. */
  readonly signs?: true;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: { readonly cpus: number; readonly memoryBytes: number };
  readonly runtimes: Readonly<Partial<Record<RuntimeKind, string>>>;
  readonly agentVersion: string;
  /** Formats of stored values that this agent reads; it writes the oldest that all present nodes speak. */
  readonly formats: readonly number[];
  /** How long the lease lasts that its agent left behind when it was stopped; absent once the agent is back. Outlives presence. */
  readonly handoverMs?: number;
  readonly at: string;
}

export type PresenceState = 'up' | 'leaving' | 'away' | 'in-doubt';

/** `nodes/<node>/presence`: bound to the agent's lease; gone when the agent is. */
export interface Presence {
  /** Random per agent process: who holds the presence. */
  readonly nonce: string;
  readonly bootId: string;
  /** Of the lease that it's bound to: an agent that is `away` has left a longer one. */
  readonly ttlMs: number;
  readonly state: PresenceState;
  /** What it found about the store, for people; also in another state than `in-doubt`. While one node has it nothing is planned. */
  readonly doubt?: string;
  /** With a doubt: the highest epoch that this node knows. Only a higher one ends it. */
  readonly epoch?: number;
}

/** `nodes/<node>/settings`: what operators set. */
export interface NodeSettings {
  readonly cordoned: boolean;
  readonly draining: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** How it's drained; absent where it isn't. */
  readonly drain?: Drain;
  /** It's gone for good, says an operator: the leader forgets it, unless it comes back before that. */
  readonly removal?: NodeRemoval;
}

/** How a node is emptied. */
export interface Drain {
  /** ISO 8601, as all times. */
  readonly since: string;
  /** By when it's to be empty. */
  readonly deadline?: string;
  /** What is left at the deadline is stopped, though nothing else takes it. Else it runs on. */
  readonly force?: true;
  /** Global instances stay. */
  readonly keepGlobal?: true;
}

/** That a node is to be forgotten. */
export interface NodeRemoval {
  readonly at: string;
  /** Its machine is dead: nothing that it was told to run may still run. */
  readonly force?: true;
}

/** `nodes/<node>/verdict`: what the leader found, so that the next leader knows it too. */
export interface NodeVerdict {
  /** When its presence was seen to be gone: ISO 8601. Absent while it is present. */
  readonly lostSince?: string;
  /** New work is kept off it until then, since it came and went: ISO 8601. */
  readonly calmUntil?: string;
  /** How often it was lost of late. */
  readonly flaps?: number;
  /** Since when it's drained: nothing was seen on it any more. Absent while it isn't, or isn't to be. */
  readonly drainedSince?: string;
}

/** `cluster`: settings that all agents share. */
export interface ClusterSettings {
  readonly layout: number;
  readonly ttlMs: number;
  readonly agentAwayMs: number;
  /** Part of each fencing token; raised by `muster cluster confirm-restore`. */
  readonly epoch: number;
  /** The store as it was when an operator last confirmed that it had been restored. */
  readonly confirmedStore?: StoreLine;
  /** When the loss of several nodes together is held rather than healed; see {@link Hold}. Absent parts have their defaults. */
  readonly massLoss?: Partial<MassLossSettings>;
  /** How long a node that comes and goes gets no new work. Absent parts have their defaults. */
  readonly calm?: Partial<CalmSettings>;
}

/** What makes the loss of nodes a mass loss, and how long it is held. */
export interface MassLossSettings {
  /** More than this part of the nodes, 0…1; 1: never. */
  readonly share: number;
  /** And at least so many. */
  readonly nodes: number;
  readonly holdMs: number;
}

/** The growing time for which a flapping node gets no new work. */
export interface CalmSettings {
  /** After the second loss of late; twice as long after each further one. 0: none at all. */
  readonly firstMs: number;
  readonly mostMs: number;
}

/** How far a store had come, by linearizable answers alone: none of the three ever goes back in one store. */
export interface StoreLine {
  /** etcd's own cluster ID, in decimal. */
  readonly clusterId: string;
  readonly raftTerm: number;
  readonly revision: number;
}

/** `holds/<kind>`: what the leader leaves undone for a while, so that a storm isn't answered by a storm. */
export interface Hold {
  readonly kind: HoldKind;
  /** ISO 8601. */
  readonly since: string;
  /** When it ends by itself: ISO 8601. */
  readonly until: string;
  /** For people. */
  readonly reason: string;
  /** Whose instances are not replaced meanwhile. */
  readonly nodes: readonly NodeId[];
  /**
   * It's over, and why: what is left of these nodes is healed, and begins no other hold. It's kept until they are back, so that
   * the next leader knows too.
   */
  readonly ended?: { readonly at: string; readonly reason: string };
}

export type HoldKind = 'mass-loss';
