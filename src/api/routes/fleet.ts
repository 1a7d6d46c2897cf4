import { FLEET_PREFIXES, FleetRefusal, fleetAnswer } from '../fleet/answers.ts';
import { discoveryDocument } from '../fleet/discovery.ts';
import { listMachines, patchMachines } from '../fleet/machines.ts';
import { putUnit } from '../fleet/put-unit.ts';
import { getState, listStates } from '../fleet/states.ts';
import { deleteUnit, getUnit, listUnits } from '../fleet/units.ts';
import type { QueryParameter, RawRoute, Route } from '../route.ts';

/** How long an answer to fleet's client may take. */
const LIMIT_MS = 20_000;

const page: QueryParameter = { summary: 'the page that the answer before has named', example: 'ZAACAA==' };
const reads = { kind: 'raw', method: 'GET', role: 'viewer', limitMs: LIMIT_MS } as const;
const writes = { kind: 'raw', role: 'operator', limitMs: LIMIT_MS } as const;

const fleetV1: readonly RawRoute[] = [
  { ...reads, path: '/units', summary: "fleet's units.", query: { nextPageToken: page }, handle: listUnits },
  { ...reads, path: '/units/:name', summary: 'One of them.', handle: getUnit },
  {
    ...writes,
    method: 'PUT',
    path: '/units/:name',
    summary: 'Makes a unit, gives it another text, or says what is desired of it.',
    handle: putUnit,
  },
  { ...writes, method: 'DELETE', path: '/units/:name', summary: 'Stops it, then forgets it.', handle: deleteUnit },
  {
    ...reads,
    path: '/state',
    summary: "systemd's words of each unit on each machine.",
    query: {
      nextPageToken: page,
      machineID: { summary: 'of this machine alone', example: '0123456789abcdef0123456789abcdef' },
      unitName: { summary: 'of this unit alone', example: 'hello.service' },
    },
    handle: listStates,
  },
  { ...reads, path: '/state/:name', summary: 'Of one unit, wherever it is.', handle: getState },
  { ...reads, path: '/machines', summary: "fleet's machines.", query: { nextPageToken: page }, handle: listMachines },
  { ...writes, method: 'PATCH', path: '/machines', summary: "Changes machines' metadata.", handle: patchMachines },
  {
    ...reads,
    path: '/discovery',
    summary: "fleet's API as a discovery document.",
    handle: async ({ deps }) => fleetAnswer(deps.version, 200, discoveryDocument),
  },
  { ...reads, path: '', summary: 'Nothing: fleet refuses it.', handle: refuseMethod },
];

async function refuseMethod(): Promise<never> {
  throw new FleetRefusal(405, 'Method Not Allowed');
}

/** fleet's API v1, and its other name. */
export const fleetRoutes: readonly Route[] = [
  ...FLEET_PREFIXES.flatMap((prefix) => fleetV1.map((route) => ({ ...route, path: prefix + route.path }))),
  { ...reads, path: '/', summary: 'Nothing: fleet refuses it.', handle: refuseMethod },
];
