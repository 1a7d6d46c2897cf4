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
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: { readonly cpus: number; readonly memoryBytes: number };
  readonly runtimes: Readonly<Partial<Record<RuntimeKind, string>>>;
  readonly agentVersion: string;
  /** Formats of stored values that this agent reads; it writes the oldest that all present nodes speak. */
  readonly formats: readonly number[];
  readonly at: string;
}

export type PresenceState = 'up' | 'leaving' | 'away' | 'in-doubt';

/** `nodes/<node>/presence`: bound to the agent's lease; gone when the agent is. */
export interface Presence {
  /** Random per agent process: who holds the presence. */
  readonly nonce: string;
  readonly bootId: string;
  readonly ttlMs: number;
  readonly state: PresenceState;
}

/** `nodes/<node>/settings`: what operators set. */
export interface NodeSettings {
  readonly cordoned: boolean;
  readonly draining: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** `nodes/<node>/verdict`: what the leader found, so that the next leader knows it too. */
export interface NodeVerdict {
  /** When its presence was seen to be gone: ISO 8601. Absent while it is present. */
  readonly lostSince?: string;
}

/** `cluster`: settings that all agents share. */
export interface ClusterSettings {
  readonly layout: number;
  readonly ttlMs: number;
  readonly agentAwayMs: number;
  readonly epoch: number;
}
