import { stat } from 'node:fs/promises';
import type { ConfigSources } from '../config/read-config.ts';
import { readRunningAgent } from '../host/running-agent.ts';

/** What a command was given beside its own options. */
export interface GivenSources {
  readonly configPath: string | undefined;
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where the configuration of this machine's agent comes from. */
export interface AgentSources extends ConfigSources {
  /** The agent that runs; absent where none does, or what was given says something else. */
  readonly pid?: number;
  /** The file was changed after that agent had started. */
  readonly isNewerThanAgent: boolean;
}

const defaultConfigPath = '/etc/muster/muster.yaml';

/**
 * As the agent that runs here was started; where none runs, or something was given, as one would start now with this environment
 * and these flags.
 */
export async function findAgentSources({ configPath, flags, env }: GivenSources): Promise<AgentSources> {
  const isGiven = configPath !== undefined || Object.keys(flags).length > 0;
  const agent = isGiven ? undefined : await readRunningAgent();
  if (agent === undefined) {
    const path = configPath ?? env['MUSTER_CONFIG'];
    return {
      path: path ?? defaultConfigPath,
      isPathExplicit: path !== undefined,
      environment: env,
      flags,
      isNewerThanAgent: false,
    };
  }
  const own = readFlags(agent.args);
  const path = own.configPath ?? agent.environment['MUSTER_CONFIG'];
  const changedAtMs = await stat(path ?? defaultConfigPath).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  return {
    path: path ?? defaultConfigPath,
    isPathExplicit: path !== undefined,
    environment: agent.environment,
    flags: own.flags,
    pid: agent.pid,
    isNewerThanAgent: changedAtMs > agent.startedAtMs + 1_000,
  };
}

/** The agent's own command line: it was understood once already. */
function readFlags(args: readonly string[]): Pick<GivenSources, 'configPath' | 'flags'> {
  const flags: Record<string, string> = {};
  for (let at = 0; at < args.length; at += 1) {
    const [, name = '', value] = /^--([^=]+)(?:=(.*))?$/.exec(args[at] ?? '') ?? [];
    if (name === '') continue;
    const next = args[at + 1];
    const takesNext = value === undefined && next !== undefined && !next.startsWith('--');
    flags[name] = value ?? (takesNext ? next : 'true');
    if (takesNext) at += 1;
  }
  const { config, ...others } = flags;
  return { configPath: config, flags: others };
}
