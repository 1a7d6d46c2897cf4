import { AgentError } from '../domain/errors.ts';
import type { PortMapping } from '../domain/spec.ts';

/** What {@link parsePortText} takes, for messages. */
export const PORT_FORM = 'a port as "8080:80", "127.0.0.1:8080:80" or "53:53/udp"';

/** A published port: `[address:]host:container[/tcp|udp]`; an IPv6 address in brackets. */
export function parsePortText(text: string): PortMapping {
  const match = /^(?:(\[[0-9a-fA-F:]+\]|[0-9.]+):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text);
  const [, hostIp, host, container, protocol] = match ?? [];
  const hostPort = Number(host);
  const containerPort = Number(container);
  if (match === null || !isPort(hostPort) || !isPort(containerPort)) {
    throw new AgentError('INVALID_INPUT', `Cannot parse port "${text.slice(0, 100)}": expected ${PORT_FORM}`);
  }
  return {
    ...(hostIp === undefined ? {} : { hostIp: hostIp.replace(/[[\]]/g, '') }),
    hostPort,
    containerPort,
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
  };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}
