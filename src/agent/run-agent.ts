import { pino } from 'pino';
import { type Config, readConfig } from '../config/read-config.ts';
import { AgentError, errorText } from '../domain/errors.ts';
import { AGENT_LOCK_PATH, takeAgentLock } from '../host/agent-lock.ts';
import { openUptime } from '../host/read-uptime.ts';
import type { Clock } from '../loop/clock.ts';
import { countSuspension } from '../loop/count-suspension.ts';
import type { Log } from '../loop/log.ts';
import { RateLimitedLog } from '../loop/rate-limited-log.ts';
import { systemClock } from '../loop/system-clock.ts';
import { openAgentApi } from './agent-api.ts';
import { type Agent, composeAgent } from './compose-agent.ts';
import { runUntilStopped } from './departure.ts';
import { openLogOutput } from './log-output.ts';
import { openPorts, type ProcessFacts } from './open-ports.ts';
import type { Ports } from './ports.ts';
import { releaseMemory } from './release-memory.ts';
import { tellSystemd } from './tell-systemd.ts';

const defaultConfigPath = '/etc/muster/muster.yaml';

/** Of the 5 s in which an agent that stops is gone. */
const HOW_TO_END_MS = 1_500;

/** What `main.ts` hands over. */
export interface RunAgentOptions {
  readonly configPath: string | undefined;
  readonly flags: Readonly<Record<string, string>>;
  /** Only validate. */
  readonly check: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** How this very executable is run. */
  readonly self: readonly string[];
  readonly version: string;
  readonly commit: string;
  readonly monotonicUs: () => number;
  /** SIGKILL, to a process of this machine that may be gone by now. */
  readonly killProcess: (pid: number) => void;
  /** To standard output. */
  readonly write: (text: string) => void;
}

/** The agent from configuration to goodbye; returns the exit code. `INVALID_INPUT` for a configuration that can't be used. */
export async function runAgent(options: RunAgentOptions, signal: AbortSignal): Promise<number> {
  const path = options.configPath ?? defaultConfigPath;
  const sources = {
    path,
    isPathExplicit: options.configPath !== undefined,
    environment: options.env,
    flags: options.flags,
  };
  const config = await readConfig(sources);
  if (options.check) {
    options.write(`${path}: valid: cluster ${config.cluster}, etcd at ${config.endpoints.join(', ')}\n`);
    return 0;
  }
  const isJournal = options.env['JOURNAL_STREAM'] !== undefined;
  const output = openLogOutput({ fd: 1, isJournal, clock: systemClock });
  const all = pino({ level: config.logLevel, base: { cluster: config.cluster } }, output);
  const log = new RateLimitedLog(all, systemClock);
  const lock = await takeAgentLock(AGENT_LOCK_PATH, options.pid);
  try {
    return await runLocked(config, options, log, signal);
  } finally {
    lock.release();
    output.close();
  }
}

async function runLocked(config: Config, options: RunAgentOptions, log: Log, signal: AbortSignal): Promise<number> {
  const uptime = openUptime();
  const clock: Clock = countSuspension(systemClock, uptime.readMs);
  const { pid, env: environment, monotonicUs, killProcess } = options;
  const facts: ProcessFacts = { pid, environment, monotonicUs, killProcess };
  const { ports, close } = await openPorts(config, facts, clock, log);
  const identity = await ports.host.identity();
  const { cpus } = await ports.host.capacity();
  const agent = composeAgent(config, { node: identity.nodeId, version: options.version, cpus }, ports);
  log.info(
    { node: identity.nodeId, hostname: identity.hostname, version: options.version, endpoints: config.endpoints },
    'agent starts',
  );
  const { version, commit } = options;
  const api = await openAgentApi(agent, ports, { config, version, commit, identity, self: options.self });
  const told = new AbortController();
  const telling = tellSystemd(agent, ports, told.signal);
  const releasing = releaseMemory(ports.host, clock, told.signal);
  try {
    await runUntilStopped(
      { agent, clock, log, shutdownGraceMs: config.shutdownGraceMs, howToEnd: () => howToEnd(ports, agent) },
      signal,
    );
    log.info('agent ended');
    return 0;
  } catch (error) {
    log.error({ err: error }, 'agent failed');
    throw new AgentError('INTERNAL', `Cannot go on: ${errorText(error)}`, { cause: error });
  } finally {
    told.abort();
    await telling;
    await releasing;
    await api.close();
    close();
    uptime.close();
  }
}

/** Whether the machine goes down, or this process alone. Unknown counts as the process alone: then nothing is disturbed. */
async function howToEnd({ host, log }: Ports, agent: Agent): Promise<'agent-stops' | 'machine-stops'> {
  const limit = new AbortController();
  const late = systemClock.after(HOW_TO_END_MS, () =>
    limit.abort(new Error('systemd did not say in time whether the machine goes down')),
  );
  try {
    const isDown = await host.isShuttingDown(limit.signal);
    await host.notify([
      'STOPPING=1',
      `STATUS=${isDown ? 'leaving: the machine goes down' : `stopping: ${agent.state.text}`}`,
    ]);
    return isDown ? 'machine-stops' : 'agent-stops';
  } catch (err) {
    log.warn({ err }, 'whether the machine goes down is unknown');
    return 'agent-stops';
  } finally {
    late();
  }
}
