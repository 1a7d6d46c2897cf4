import type { StartOrder } from '../port.ts';
import type { Ownership } from './labels.ts';
import type { InspectedContainer } from './observe-container.ts';

/** It has processes, or will have in a moment. */
export function isAlive({ State: state }: InspectedContainer): boolean {
  return state.Status === 'running' || state.Status === 'paused' || state.Status === 'restarting';
}

/** Made for this very order, so that a restart is a start and no more. */
export function isAsOrdered(container: InspectedContainer, owner: Ownership, order: StartOrder): boolean {
  const environment = new Set(container.Config?.Env ?? []);
  return (
    owner.assignmentRevision === order.assignmentRevision &&
    owner.disconnect === order.disconnect &&
    Object.entries(order.environment).every(([name, value]) => environment.has(`${name}=${value}`))
  );
}
