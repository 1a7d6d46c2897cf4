/** What docs/api.md says before it lists the routes. */
export const apiProse = `
# The HTTP API

<!-- Made by node scripts/docs.ts: change scripts/lib/api-prose.ts, src/api/routes or src/wire and make it again. -->

Every agent answers for the whole cluster: ask any node. All that \`muster\` does, it does over this API. \`/openapi.json\` describes it as
OpenAPI 3.1, made of the schemas that check what is sent; a test holds the answers of every route against it. fleet's API below
\`/fleet/v1\` is told of in docs/from-fleet.md.

\`\`\`console
$ curl --unix-socket /run/muster/muster.sock http://muster/v1/cluster
$ curl --cert alice.pem --key alice.key --cacert ca.pem https://node1:2773/v1/cluster
\`\`\`

## Who may ask

- On the **unix socket** \`/run/muster/muster.sock\` (mode 0660): root and the group \`muster\`. They are operators.
- On **TCP**, where \`api.listen\` is set, with **mutual TLS** alone: the certificate says who asks, of which cluster, and in which role.
  Certificates are made with \`muster pki\`.

| role | may |
|---|---|
| \`viewer\` | read |
| \`operator\` | read and change |
| \`node\` | what one agent asks another on somebody's behalf |

Without a certificate, with one of another CA or with one that has ended every request is answered \`401\`; with one of another cluster or of too low a
role \`403\`. Each says why and is logged (docs/security.md).

## Requests and answers

- Bodies are JSON, UTF-8, up to 2 MiB, with \`Content-Type: application/json\`. A field that isn't known is refused.
- Answers are JSON. They may come to have more fields: ignore what you don't know.
- Times are ISO 8601 in UTC. Durations and sizes have their unit in their name: \`ttlMs\`, \`memoryBytes\`.
- Each answer has an \`X-Request-Id\`: your own, where you send one of up to 64 of \`A-Z a-z 0-9 . _ -\`, else a new one. The agent's log has it too.
- An answer is there within 20 s, or is \`503\`. A change that was answered is in etcd. One that wasn't may have happened: send it again, a
  \`PUT\` changes nothing that is so already (\`"changed": false\`).
- \`problems\` lists what couldn't be read in the store. The rest of the answer holds.

## Errors

\`application/problem+json\` (RFC 9457). Branch on \`code\`; \`detail\` is for people and says what was expected.

\`\`\`json
{
  "type": "about:blank",
  "title": "Out of date",
  "status": 412,
  "detail": "Cannot change \\"web\\", spec 13 is there since 2026-01-31T12:00:00.000Z: expected spec 12",
  "code": "STALE",
  "expected": "spec 12",
  "current": { "spec": 13, "changedAt": "2026-01-31T12:00:00.000Z" },
  "requestId": "5f0c1e9a77d2"
}
\`\`\`

| status | code | when |
|---|---|---|
| 400 | \`INVALID_INPUT\` | the request can't be understood, or asks for something that can't be |
| 401, 403 | \`UNAUTHENTICATED\`, \`FORBIDDEN\` | the certificate or its role doesn't do |
| 404 | \`NOT_FOUND\` | there is no such thing, or path |
| 405 | \`INVALID_INPUT\` | the path doesn't take this method; \`Allow\` has those that it does |
| 409 | \`CONFLICT\` | it contradicts the present state: a start of what is being removed |
| 412 | \`STALE\` | a condition doesn't hold; \`current\` and \`ETag\` say what is there |
| 413, 429, 431 | \`LIMIT\` | too large; too often, or too much at once: \`Retry-After\` says when to ask again; headers too large |
| 415 | \`INVALID_INPUT\` | the body is no JSON by its type |
| 503 | \`UNAVAILABLE\`, \`FENCED\` | etcd, the node or another node doesn't answer now: the same request may be sent again |
| 507 | \`FULL\` | etcd is out of space |
| 500 | \`INTERNAL\` | a defect; the agent's log has more under the request's ID |

## Conditions

A workload's \`ETag\` is the number of its present spec. A change that is sent with \`If-Match: "12"\` is made only while spec 12 is the present
one, else it's refused with \`412\` and what is there. \`If-Match: *\` asks for any, \`If-None-Match: *\` for none: with a \`PUT\` it creates and never
replaces. A spec's number is never used twice, also not by a workload of the same name that was made anew.
\`muster apply|start|stop|scale|restart|rollback|rm --if-spec 12\` sends it.

## Plans

\`POST /v1/plan\` takes what an apply and removals would be sent, and answers what they would do: field by field, and for each instance whether it would
start, stop, restart, move (where to) or wait (why, node by node), also of other workloads that would make room or get some. It's the
leader's own planner, on the present state at one revision, carried on until nothing is left to do, as if all went well. Nothing is
written, no registry is asked. A node makes one plan at a time: when four wait, the next is told to come again (\`429\`).

## Pages and filters

\`/v1/workloads\`, \`/v1/instances\` and \`/v1/nodes\` answer all at once, or with \`?limit=\` (1 to 1000) a page at a time. \`next\` is what to ask for
the next page with, as \`?page=\`; without it, it was the last one. A page begins after the last row of the one before, in the order of
the listing: what comes and goes meanwhile neither repeats nor hides another. \`?label=\`, \`?node=\` and \`?phase=\` narrow them; all that is
given must hold, and of several phases any. \`/v1/stats\` takes them as \`/v1/instances\` does, and shows the nodes that match themselves or that
have an instance that does. \`/v1/events\` and \`/v1/workloads/:name/history\` take them too: a phase is one that an instance came to (pending, running,
failed or stopped; a move, a node or a change of a workload has none), labels are those of now. A filter that means nothing to a route is refused with
\`400\`.

## Streams

A stream is JSON values, one a line (\`application/x-ndjson\`), until the client leaves or the agent stops. When it ends for an error, its last
line is \`{"problem": …}\`. An empty line is a sign of life. Where it shows a state, the first lines are the whole of it and each later one
what has changed; states that follow each other quickly are told as one. A client that reads slowly gets the newest state next, and costs the
agent no memory.

### Events

\`GET /v1/events\` tells what etcd's own history shows, then what happens. With \`Accept: text/event-stream\` it's server-sent events, as browsers and
most HTTP libraries read them; without, one event a line, up to now unless \`?follow=true\`.

\`\`\`console
$ curl -N --unix-socket /run/muster/muster.sock -H 'Accept: text/event-stream' 'http://muster/v1/events?since=1h'
id: 1234
event: instance.moved
data: {"id":"1234","revision":1234,"at":"2026-01-31T12:00:00.000Z","type":"instance.moved","subject":"web.0",…}
\`\`\`

An event's \`id\` is the store's revision. \`Last-Event-ID\` (or \`?since=\`) goes on right after it, at any node, also after the agent was restarted. What can't
be told any more, as etcd has forgotten it or the client reads too slowly, is told of by an event \`events.lost\` with how much and why.

### Logs

A line of a log is \`{"kind": "line", …}\`; what its reader has to know is between the lines as \`{"kind": "notice", …}\`: a node that doesn't answer, an
instance that goes on elsewhere, or with \`lost\` how many lines were left out for a reader that is too slow. Lines of several instances come in order of their time.

### Commands beside an instance

\`GET /v1/instances/:workload/:slot/exec\` is upgraded to a WebSocket with the subprotocol \`muster-exec.v1\`. Text messages are JSON, binary ones data.

| message | from | says |
|---|---|---|
| \`{"start": {"command": ["sh"], "input": true, "terminal": {"type": "xterm", "columns": 80, "rows": 24}}}\` | client, first | what to run; without \`terminal\` it gets none |
| binary | client | its input |
| \`{"end": "stdin"}\`, \`{"resize": {"columns": 100, "rows": 30}}\` | client | its input is over; the terminal has another size |
| \`{"started": true}\` | agent | it runs |
| binary: 1 or 2, then data | agent | what it wrote to stdout or stderr |
| \`{"exit": {"code": 0}}\` or \`{"problem": …}\` | agent, last | how it ended, or why it couldn't be run |
`;
