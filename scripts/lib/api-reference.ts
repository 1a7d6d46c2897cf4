import type { Route } from '../../src/api/route.ts';
import { namedSchemas, type RouteSchema } from '../../src/wire/route-schemas.ts';
import { apiProse } from './api-prose.ts';
import { convert, documentedRoutes, routeKey, schemaOf } from './open-api.ts';

/** docs/api.md: prose, then every route and every shape as the code has them. */
export function renderApiReference(): string {
  const groups = new Map<string, Route[]>();
  for (const route of documentedRoutes) {
    const name = groupOf(route);
    groups.set(name, [...(groups.get(name) ?? []), route]);
  }
  const parts = [...groups].flatMap(([name, routes]) => [`### ${name}`, '', ...routes.flatMap(renderRoute)]);
  const shapes = Object.entries(namedSchemas).flatMap(([name, schema]) => {
    return [`### ${name}`, '', '```', multiline(convert(schema, name) as Json), '```', ''];
  });
  const routes = [
    '## Routes',
    '',
    'A `?` marks what may be absent; `…[]` is a list. The names are those of [Shapes](#shapes).',
    '',
  ];
  return `${[apiProse.trim(), '', ...routes, ...parts, '## Shapes', '', ...shapes].join('\n').trimEnd()}\n`;
}

const groups: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^\/v1\/(version|status|stats|cluster|changes|plan$)/, 'The cluster'],
  [/^\/v1\/node(\/|$)/, 'The node that answers'],
  [/^\/v1\/nodes/, 'Nodes'],
  [/^\/v1\/(workloads|apply|watch)/, 'Workloads'],
  [/^\/v1\/instances/, 'Instances'],
  [/^\/v1\/events/, 'Events'],
];

function groupOf({ path }: Route): string {
  return groups.find(([pattern]) => pattern.test(path))?.[1] ?? 'For machines';
}

function renderRoute(route: Route): string[] {
  const { body, answer } = schemaOf(route);
  const query = Object.entries(route.query ?? {}).map(([name, { summary, example }]) => {
    return `  - \`?${name}=${example}\`: ${summary}`;
  });
  const notes = [
    `role \`${route.role}\``,
    ...(route.conditional === true ? ['takes `If-Match` and `If-None-Match`'] : []),
    ...(route.unjoined === true ? ['answered also while the node has not joined'] : []),
  ];
  return [
    `**\`${routeKey(route)}\`** ${route.summary}`,
    '',
    `- ${notes.join('; ')}`,
    ...(body === undefined ? [] : [`- body: \`${inline(convert(body, undefined, true) as Json)}\``]),
    `- ${answerText(route, answer)}`,
    ...(query.length === 0 ? [] : ['- parameters:', ...query]),
    '',
  ];
}

function answerText({ kind }: Route, answer: RouteSchema['answer']): string {
  if (answer === 'WebSocket') return 'goes on as a WebSocket';
  if ('contentType' in answer) return `answers ${answer.contentType}`;
  return `${kind === 'stream' ? 'a stream of' : 'answers'} \`${inline(convert(answer) as Json)}\``;
}

interface Json {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Json[];
  readonly oneOf?: readonly Json[];
  readonly items?: Json;
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Json | boolean;
}

/** A schema in one line, as one would write it down by hand. */
function inline(schema: Json): string {
  const { $ref, properties, items, required = [] } = schema;
  if ($ref !== undefined) return $ref.split('/').at(-1) ?? '';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  const some = schema.anyOf ?? schema.oneOf;
  if (some !== undefined) return some.map(inline).join(' or ');
  if (items !== undefined) return /^\w+$/.test(inline(items)) ? `${inline(items)}[]` : `(${inline(items)})[]`;
  if (properties !== undefined) {
    const fields = Object.entries(properties).map(([name, field]) => fieldText(name, field, required.includes(name)));
    return `{${fields.join(', ')}}`;
  }
  if (typeof schema.additionalProperties === 'object') return `{[name]: ${inline(schema.additionalProperties)}}`;
  return schema.type ?? 'any';
}

/** Text is what most fields are: it isn't said. */
function fieldText(name: string, field: Json, isRequired: boolean): string {
  const type = inline(field);
  return `${name}${isRequired ? '' : '?'}${type === 'string' ? '' : `: ${type}`}`;
}

/** The same with a line for each field. */
function multiline(schema: Json): string {
  const { properties, required = [] } = schema;
  if (properties === undefined) return inline(schema).replaceAll('} or {', '}\nor {');
  const fields = Object.entries(properties).map(
    ([name, field]) => `  ${fieldText(name, field, required.includes(name))}`,
  );
  return `{\n${fields.join(',\n')}\n}`;
}
