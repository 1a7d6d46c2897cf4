import type { Finding } from '../domain/finding.ts';

/** Where the configuration is taken from: the agent that runs here, unless something is given. */
export interface MachineStart {
  readonly configPath: string | undefined;
  /** Flags of the agent's, as `muster agent` takes them. */
  readonly flags: Readonly<Record<string, string>>;
}

/** The agent's configuration on this machine, key by key. */
export interface MachineConfig {
  readonly path: string;
  readonly rows: readonly {
    readonly key: string;
    readonly value?: string;
    readonly origin: 'default' | 'file' | 'environment' | 'flag';
    readonly source: string;
  }[];
  /** Why an agent would not start with it. */
  readonly problem?: string;
  /** The agent that runs with it. */
  readonly pid?: number;
  /** The file was changed since that agent started. */
  readonly isNewerThanAgent: boolean;
}

/** What a command may learn of the machine it runs on, without any agent. */
export interface Machine {
  config(start: MachineStart): Promise<MachineConfig>;
  diagnose(start: MachineStart, signal: AbortSignal): Promise<readonly Finding[]>;
}
