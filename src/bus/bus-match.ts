import type { BusMatch, BusSignal } from './port.ts';

/** The match rule as the bus daemon takes it. */
export function matchRule(match: BusMatch): string {
  const parts = [`type='signal'`, `sender='${match.sender}'`, `interface='${match.interface}'`];
  if (match.path !== undefined) parts.push(`path='${match.path}'`);
  if (match.member !== undefined) parts.push(`member='${match.member}'`);
  if (match.arg0 !== undefined) parts.push(`arg0='${match.arg0}'`);
  return parts.join(',');
}

/** True when the signal is one that the rule asked for. The daemon has checked the sender. */
export function isMatch(match: BusMatch, signal: BusSignal): boolean {
  return (
    match.interface === signal.interface &&
    (match.path === undefined || match.path === signal.path) &&
    (match.member === undefined || match.member === signal.member) &&
    (match.arg0 === undefined || match.arg0 === signal.body[0])
  );
}
