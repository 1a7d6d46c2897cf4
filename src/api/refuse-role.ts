import { AgentError } from '../domain/errors.ts';
import type { Caller, Role } from './caller.ts';

const allowed: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ['viewer', 'operator', 'node'],
  operator: ['operator'],
  node: ['node'],
};

/** Throws `FORBIDDEN` where the caller's role is too low. */
export function refuseRole(
  route: { readonly method: string; readonly path: string; readonly role: Role },
  caller: Caller,
): void {
  if (caller.via === 'socket' || allowed[route.role].includes(caller.role)) return;
  throw new AgentError(
    'FORBIDDEN',
    `Cannot ${route.method} "${route.path}" as ${caller.role} "${caller.name}": expected the role ${route.role}`,
  );
}
