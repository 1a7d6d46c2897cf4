import { execPaths } from '../exec-routes.ts';
import { Refusal } from '../refusal.ts';
import type { Route } from '../route.ts';

/** Both are upgraded to a WebSocket before the router sees them; whoever asks for one without that is told. */
export const execRoutes: readonly Route[] = [
  {
    kind: 'raw',
    method: 'GET',
    ...execPaths.anywhere,
    summary:
      'Runs a command beside an instance, through a WebSocket (subprotocol muster-exec.v1), on the node that runs it.',
    unjoined: true,
    handle: async () => upgradeRequired(),
  },
  {
    kind: 'raw',
    method: 'GET',
    ...execPaths.here,
    summary: 'The same on the node that answers and no other.',
    unjoined: true,
    handle: async () => upgradeRequired(),
  },
];

function upgradeRequired(): never {
  throw new Refusal(426, 'Cannot run a command so: expected a WebSocket', {
    upgrade: 'websocket',
    connection: 'Upgrade',
  });
}
