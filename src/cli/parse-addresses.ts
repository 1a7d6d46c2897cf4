import { isIP } from 'node:net';
import { AgentError } from '../domain/errors.ts';

const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const hostName = new RegExp(`^${label}(\\.${label})*$`);

/** IP addresses and host names of an option's text, separated by commas. */
export function parseAddresses(text: string | undefined): readonly string[] {
  const parts = (text ?? '').split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '').map(parseAddress);
}

/** An IP address or a host name, as certificates have them. */
export function parseAddress(text: string): string {
  if (text.length <= 253 && (isIP(text) !== 0 || hostName.test(text))) return text;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use the address "${text.slice(0, 200)}": expected an IP address or a host name`,
  );
}
