import type { Agent } from './compose-agent.ts';
import type { Ports } from './ports.ts';

/** A pass that hangs for longer than this leaves the watchdog unfed: systemd ends the agent and starts it again. */
export const PASS_LIMIT_MS = 25_000;

/** READY once the runtimes have been observed, STATUS with each change, the watchdog fed while passes go on. Never rejects. */
export async function tellSystemd(agent: Agent, ports: Ports, signal: AbortSignal): Promise<void> {
  const { host, clock } = ports;
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([agent.observedOnce, ended]);
  if (signal.aborted) return;
  let said = agent.state.text;
  await host.notify(['READY=1', `STATUS=${said}`]);
  let telling = Promise.resolve();
  const unwatch = agent.watch(() => {
    const { text } = agent.state;
    if (text === said || signal.aborted) return;
    said = text;
    telling = telling.then(() => host.notify([`STATUS=${text}`]));
  });
  const intervalMs = host.watchdogIntervalMs;
  if (intervalMs === undefined) await ended;
  else
    while (await clock.sleep(intervalMs, signal)) if (agent.isAlive(PASS_LIMIT_MS)) await host.notify(['WATCHDOG=1']);
  unwatch();
  await telling;
}
