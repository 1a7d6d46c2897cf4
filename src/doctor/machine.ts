import { type ConfigDescription, describeConfig } from '../config/describe-config.ts';
import type { Finding } from '../domain/finding.ts';
import { findAgentSources, type GivenSources } from './agent-sources.ts';
import { gatherFacts } from './gather-facts.ts';
import { judge } from './judge.ts';

/** This machine's configuration, and which agent has it. */
export interface MachineConfig extends ConfigDescription {
  readonly pid?: number;
  readonly isNewerThanAgent: boolean;
}

/** Every key of the agent's configuration with its value and where that comes from. */
export async function showConfig(given: GivenSources): Promise<MachineConfig> {
  const { pid, isNewerThanAgent, ...sources } = await findAgentSources(given);
  return { ...(await describeConfig(sources)), ...(pid === undefined ? {} : { pid }), isNewerThanAgent };
}

/** Looks at all that an agent here needs, also while none runs; in about five seconds at most. */
export async function diagnose(
  given: GivenSources & { readonly version: string },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  return judge(await gatherFacts(given, signal));
}
