import { AgentError } from '../domain/errors.ts';
import { TOLD_PHASES } from '../domain/event.ts';
import type { Filter } from './listing-filter.ts';
import type { QueryParameter, Route, RouteRequest } from './route.ts';

const phases = ['pending', 'pulling', 'starting', 'running', 'stopping', 'stopped', 'failed', 'orphan', 'lost'];
const nodeStates = ['up', 'leaving', 'away', 'in-doubt', 'lost'];

/** More than anybody asks for. */
const LABELS_LIMIT = 32;

const labelParameter = (of: string): QueryParameter => ({
  summary: `only with this label: ${of}; several: all of them`,
  example: 'zone=a',
});

/** The parameters of pages. */
export const pageQuery = {
  limit: { summary: 'at most so many, 1 to 1000; left out: all', example: '100' },
  page: { summary: 'where to go on: the `next` of the page before', example: 'WyJ3ZWIiXQ' },
} as const satisfies Readonly<Record<string, QueryParameter>>;

/** The parameters of a listing of workloads or instances. */
export const filterQuery = {
  label: labelParameter("the workload's, or that of a node that it is on"),
  node: { summary: "only on this node: its ID, the ID's first digits, or its hostname", example: 'node1' },
  phase: { summary: 'only in this phase; several: any of them', example: 'failed' },
  ...pageQuery,
} as const satisfies Readonly<Record<string, QueryParameter>>;

/** The parameters of a listing of nodes. */
export const nodeFilterQuery = {
  label: labelParameter("the node's"),
  node: filterQuery.node,
  phase: { summary: 'only in this state: up, leaving, away, in-doubt or lost; several: any of them', example: 'lost' },
  ...pageQuery,
} as const satisfies Readonly<Record<string, QueryParameter>>;

/** The parameters of what happens, and of what has happened. */
export const eventFilterQuery = {
  label: labelParameter("that of the workload that it is about, or of a node; of what is still there, as it's now"),
  node: { summary: "only about this node: its ID, the ID's first digits, or its hostname", example: 'node1' },
  phase: {
    summary: `only what tells that an instance is ${TOLD_PHASES.join(', ')}; several: any of them`,
    example: 'failed',
  },
} as const satisfies Readonly<Record<string, QueryParameter>>;

const phasesOf = { copies: phases, nodes: nodeStates, events: TOLD_PHASES } as const;

/** Throws `INVALID_INPUT` for a label that is no pair, for a phase that there isn't, and for two nodes. */
export function parseFilter({ queries }: Pick<RouteRequest, 'queries'>, of: 'copies' | 'nodes' | 'events'): Filter {
  const known: readonly string[] = phasesOf[of];
  const asked = queries('phase');
  const wrong = asked.find((phase) => !known.includes(phase));
  if (wrong !== undefined) {
    const expected = `expected one of ${known.join(', ')}${of === 'events' ? ': of others no event tells' : ''}`;
    throw new AgentError('INVALID_INPUT', `Cannot use phase "${wrong.slice(0, 50)}": ${expected}`);
  }
  const [node, other] = queries('node');
  if (other !== undefined)
    throw new AgentError('INVALID_INPUT', `Cannot use node "${other.slice(0, 100)}" too: expected one node`);
  const labels = queries('label').map(parseLabel);
  if (labels.length > LABELS_LIMIT)
    throw new AgentError('INVALID_INPUT', `Cannot use ${labels.length} labels: expected at most ${LABELS_LIMIT}`);
  return { labels, node, phases: asked };
}

/** What a listing can be narrowed by. */
const filterNames = ['label', 'node', 'phase'] as const;

/** Throws `INVALID_INPUT` for a filter that means nothing to the route: overlooked, it would seem to hold. */
export function refuseFilters(
  { path, query: known = {} }: Pick<Route, 'path' | 'query'>,
  { queries }: Pick<RouteRequest, 'queries'>,
): void {
  if (!path.startsWith('/v1/')) return;
  const given = filterNames.find((name) => !Object.hasOwn(known, name) && queries(name).length > 0);
  if (given === undefined) return;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot narrow ${path} by ${given}: expected none of ${filterNames.join(', ')}`,
  );
}

function parseLabel(text: string): readonly [key: string, value: string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new AgentError('INVALID_INPUT', `Cannot use label "${text.slice(0, 100)}": expected key=value`);
}
