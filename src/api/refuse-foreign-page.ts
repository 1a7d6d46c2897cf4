import { AgentError } from '../domain/errors.ts';
import type { Caller, Role } from './caller.ts';

/** What browsers say of the page that asks, and whom they ask. */
export interface AskingPage {
  readonly origin: string | undefined;
  readonly host: string | undefined;
}

/**
 * Throws `FORBIDDEN` for what changes or runs something and comes from a page of another site: a browser would send it with the
 * certificate of whoever looks at the page. Clients other than browsers name no origin, or the agent's own.
 */
export function refuseForeignPage(
  { role, method, path }: { readonly role: Role; readonly method: string; readonly path: string },
  { via }: Caller,
  { origin, host }: AskingPage,
): void {
  if (via === 'socket' || role === 'viewer' || origin === undefined) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new AgentError(
    'FORBIDDEN',
    `Cannot ${method} "${path}" for a page of "${origin.slice(0, 200)}": expected no browser, or no page of another site`,
  );
}
