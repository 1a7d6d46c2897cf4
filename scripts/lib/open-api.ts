import { type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { isFleetPath } from '../../src/api/fleet/answers.ts';
import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import { namedSchemas, type RouteSchema, routeSchemas } from '../../src/wire/route-schemas.ts';

/** Routes that the documents tell of: fleet's API has a description of its own. */
export const documentedRoutes = routes.filter(({ path }) => !isFleetPath(path));

/** What a route is called in tables: `GET /v1/nodes/:id`. */
export function routeKey({ method, path }: Pick<Route, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

/** The schema of a route. Throws for one that has none. */
export function schemaOf(route: Pick<Route, 'method' | 'path'>): RouteSchema {
  const schema = routeSchemas[routeKey(route)];
  if (schema === undefined) throw new Error(`${routeKey(route)} has no schema in src/wire/route-schemas.ts`);
  return schema;
}

/** Those that are part of what clients send: there, a field that isn't known is refused. */
const sent = new Set(['Workload', 'Run', 'Placement']);

/** The description of the API, as OpenAPI 3.1. */
export function makeOpenApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of documentedRoutes) {
    const path = route.path.replace(/:([a-zA-Z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'muster',
      version: 'v1',
      summary: 'The API of every agent of a cluster',
      description:
        'On the unix socket of each node, and over TCP with mutual TLS where that is configured. See docs/api.md.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'https://{node}:2773', variables: { node: { default: 'localhost' } } }],
    security: [{ mutualTls: [] }],
    paths,
    components: {
      securitySchemes: { mutualTls: { type: 'mutualTLS', description: 'A certificate of the cluster, with a role' } },
      schemas: Object.fromEntries(
        Object.entries(namedSchemas).map(([name, schema]) => [name, convert(schema, name, sent.has(name))]),
      ),
      responses: {
        Problem: {
          description: 'Why it could not be done (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

function operation(route: Route): object {
  const { body, answer, others = {} } = schemaOf(route);
  const parameters = [...pathParameters(route), ...queryParameters(route), ...conditions(route)];
  return {
    operationId: operationId(route),
    summary: route.summary,
    description: `Role: ${route.role}.${route.unjoined === true ? ' Answered also while the node has not joined.' : ''}`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { 'application/json': { schema: convert(body, undefined, true) } } },
        }),
    responses: {
      ...success(route, answer),
      ...Object.fromEntries(
        Object.entries(others).map(([status, schema]) => [
          status,
          { description: 'Not so now', content: { 'application/json': { schema: convert(schema) } } },
        ]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function success(route: Route, answer: RouteSchema['answer']): object {
  if (answer === 'WebSocket') return { 101: { description: 'Goes on as a WebSocket' } };
  return { 200: { description: describe(route), ...tagHeader(route), content: content(route, answer) } };
}

function describe({ kind }: Route): string {
  return kind === 'stream' ? 'JSON values, one a line, for as long as the client stays' : 'Done';
}

function tagHeader({ conditional, method, path }: Route): object {
  const isTagged = conditional === true || (method === 'GET' && path === '/v1/workloads/:name');
  if (!isTagged) return {};
  return {
    headers: { ETag: { description: "The number of the workload's present spec", schema: { type: 'string' } } },
  };
}

function content({ kind }: Route, answer: Exclude<RouteSchema['answer'], string>): object {
  if ('contentType' in answer) return { [answer.contentType]: {} };
  return { [kind === 'stream' ? 'application/x-ndjson' : 'application/json']: { schema: convert(answer) } };
}

function pathParameters({ path }: Route): object[] {
  return [...path.matchAll(/:([a-zA-Z]+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters({ query = {} }: Route): object[] {
  return Object.entries(query).map(([name, { summary, example }]) => ({
    name,
    in: 'query',
    description: summary,
    schema: name === 'label' || name === 'phase' ? { type: 'array', items: { type: 'string' } } : { type: 'string' },
    example: name === 'label' || name === 'phase' ? [example] : example,
  }));
}

function conditions({ conditional }: Route): object[] {
  if (conditional !== true) return [];
  const header = (name: string, description: string, example: string) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
    example,
  });
  return [
    header('If-Match', 'Only if this is the present spec; else 412 with what is there', '"12"'),
    header('If-None-Match', 'Only if there is no such workload: *', '*'),
  ];
}

/** `GET /v1/nodes/:id/drain` → `getNodesIdDrain`. */
function operationId({ method, path }: Route): string {
  const words = path
    .replace(/^\/v1\//, '/')
    .split(/[^A-Za-z]+/)
    .filter((word) => word !== '');
  return method.toLowerCase() + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('');
}

/**
 * A schema as JSON Schema, with references to the named ones. Answers may come to have more fields: unless `strict`, that is left open.
 * @param self the name of a schema that isn't to be a reference to itself
 */
export function convert(schema: v.GenericSchema, self?: string, strict = false): JsonSchema {
  const definitions = Object.fromEntries(Object.entries(namedSchemas).filter(([name]) => name !== self));
  const converted = toJsonSchema(schema, {
    target: 'draft-2020-12',
    typeMode: 'input',
    errorMode: 'ignore',
    definitions: definitions as Record<string, v.GenericSchema>,
    overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  });
  return clean(converted, strict) as JsonSchema;
}

function clean(value: unknown, strict: boolean): unknown {
  if (Array.isArray(value)) return value.map((part) => clean(part, strict));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, part]) => {
    if (key === '$schema' || key === '$defs') return false;
    return strict || key !== 'additionalProperties' || part !== false;
  });
  return Object.fromEntries(entries.map(([key, part]) => [key, clean(part, strict)]));
}

/** The file that the API serves. */
export function renderOpenApi(): string {
  return `${JSON.stringify(makeOpenApi(), undefined, 1)}\n`;
}
