import assert from 'node:assert/strict';
import { documentedRoutes, routeKey, schemaOf } from '../../scripts/lib/open-api.ts';
import { ANYWHERE } from '../../src/domain/document.ts';
import type { InstancesAnswer } from '../../src/wire/answers.ts';
import type { PlanAnswer } from '../../src/wire/plan-answers.ts';
import type { Problem } from '../../src/wire/problem.ts';
import { checkAnswer, checkProblem } from '../support/answer-checker.ts';
import { eventually } from '../support/eventually.ts';
import { firstLine, type RawAnswer, type RawRequest, rawRequest } from '../support/raw-request.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const socketOf = (node: LabNode) => `/proc/${node.leaderPid}/root/run/muster/muster.sock`;
const ask = (node: LabNode, asked: RawRequest): Promise<RawAnswer> => rawRequest(socketOf(node), asked);

const worker = sleeper([], ['[X-Muster]', 'Replicas=2']);
const newWorker = sleeper(['Environment=LEVEL=debug'], ['[X-Muster]', 'Replicas=2']);
const name = 'worker@.service';

const job = {
  name: 'job@.service',
  run: { kind: 'unit', text: worker },
  scale: { kind: 'replicas', replicas: 2 },
  placement: ANYWHERE,
  disconnect: { mode: 'keep' },
  moveOrder: 'start-first',
  sticky: false,
};
const newJob = { ...job, run: { kind: 'unit', text: newWorker } };
const jobPath = `/v1/workloads/${job.name}`;
const nodePath = '/v1/nodes/node2';

/** What is changed, one after the other: the route, its path and what is sent. */
const changes: readonly (readonly [key: string, path: string, body?: object])[] = [
  ['PUT /v1/workloads/:name', jobPath, job],
  ['POST /v1/plan', '/v1/plan', { documents: [newJob] }],
  ['POST /v1/apply', '/v1/apply', { documents: [newJob] }],
  ['POST /v1/workloads/:name/scale', `${jobPath}/scale`, { replicas: 3 }],
  ['POST /v1/workloads/:name/restart', `${jobPath}/restart`],
  ['POST /v1/workloads/:name/rollback', `${jobPath}/rollback`, {}],
  ['POST /v1/workloads/:name/stop', `${jobPath}/stop`],
  ['POST /v1/workloads/:name/start', `${jobPath}/start`],
  ['PATCH /v1/nodes/:id/labels', `${nodePath}/labels`, { set: { disk: 'ssd' } }],
  ['PATCH /v1/nodes/:id/labels', `${nodePath}/labels`, { remove: ['disk'] }],
  ['POST /v1/nodes/:id/cordon', `${nodePath}/cordon`],
  ['POST /v1/nodes/:id/drain', `${nodePath}/drain`, { deadlineMs: 60_000, force: false }],
  ['POST /v1/nodes/:id/uncordon', `${nodePath}/uncordon`],
  ['DELETE /v1/workloads/:name', jobPath],
];

/** When each instance last began to run, by systemd itself. */
async function startsOf(cluster: Cluster): Promise<number[]> {
  const runners = await cluster.runners();
  return runners
    .filter(({ active, name: unit }) => active && unit.startsWith('worker@'))
    .map(({ startedAtMs }) => startedAtMs);
}

/** Each was healthy (for which it must run for 3 s) before the next one began. */
function assertInTurn(starts: readonly number[], what: string): void {
  const sorted = starts.toSorted((a, b) => a - b);
  assert.equal(sorted.length, 2, what);
  for (const [at, startedAtMs] of sorted.entries()) {
    if (at > 0) assert.ok(startedAtMs - (sorted[at - 1] ?? 0) >= 2_900, `${what}: ${sorted.join()}`);
  }
}

scenarios('the API answers', (scenario, sideBySide) => {
  sideBySide((scenario) => {
    scenario(
      'a plan does nothing; specs, restarts and rollbacks go through a workload one healthy instance at a time',
      async (cluster) => {
        await cluster.apply(name, worker);
        const own = async () => (await cluster.identities()).filter((each) => each.startsWith('worker@'));
        const before = await own();
        const plan = ['plan', '--name', name, '-', '--rm', 'none'];
        const planned = await cluster.muster([...plan, '--json'], { input: newWorker, reject: false });
        assert.equal(planned.exitCode, 1, 'there is nothing to remove');
        const { workloads } = JSON.parse(planned.stdout) as PlanAnswer;
        const [first] = workloads;
        assert.ok(first !== undefined && 'name' in first);
        assert.deepEqual(
          first.instances.map(({ action }) => action),
          ['restart', 'restart'],
        );
        const shown = await cluster.muster(['plan', '--name', name, '-'], { input: newWorker, reject: false });
        assert.equal(shown.exitCode, 4);
        assert.match(shown.stdout, /^ +\+ Environment=LEVEL=debug$/m);
        assert.equal((await cluster.muster(['plan', '--name', name, '-'], { input: worker })).exitCode, 0);
        assert.deepEqual(await own(), before);

        await cluster.muster(['restart', name]);
        assertInTurn(await startsOf(cluster), 'restart');
        const restarted = await own();
        await cluster.muster(['restart', 'worker@2.service']);
        const changed = (await own()).filter((each) => !restarted.includes(each));
        assert.deepEqual(
          changed.map((each) => each.split(' ')[0]),
          ['worker@2.service'],
        );
        await cluster.apply(name, newWorker);
        assertInTurn(await startsOf(cluster), 'a new spec');
        const back = await cluster.muster(['rollback', name]);
        assert.match(back.stdout, /spec \d+ is back as spec \d+/);
        assertInTurn(await startsOf(cluster), 'rollback');
        const inspected = await cluster.muster(['inspect', name]);
        assert.doesNotMatch(inspected.stdout, /LEVEL=debug/);

        const kept = await own();
        await cluster.muster(['scale', `${name}=1`]);
        assert.deepEqual(
          await own(),
          kept.filter((each) => each.startsWith('worker@1.')),
        );
      },
    );

    scenario('every route that reads answers as it is described, through each node', async (cluster) => {
      await cluster.applyAll({ 'reader@.service': worker, web: sleepingContainer('web') });
      const spec = String((await cluster.rows('web'))[0]?.spec);
      const values: Readonly<Record<string, string>> = {
        name: 'web',
        number: spec,
        workload: 'web',
        slot: '0',
        id: 'node2',
      };
      const reads = documentedRoutes.filter(({ method, role }) => method === 'GET' && role === 'viewer');
      for (const node of cluster.nodes) {
        for (const route of reads) {
          const path = route.path.replace(/:(\w+)/g, (_, part: string) => encodeURIComponent(values[part] ?? ''));
          const { answer: schema } = schemaOf(route);
          const what = `${routeKey(route)} at ${node.name}`;
          if (typeof schema === 'string') continue;
          if (route.kind === 'stream' && !('contentType' in schema)) {
            const query = path.endsWith('/events') ? '?since=1h' : '';
            if (path.endsWith('/logs')) continue; // they have written nothing
            checkAnswer(schema, (await firstLine(socketOf(node), { path: path + query })).line, what);
            continue;
          }
          const answer = await ask(node, { path });
          assert.equal(answer.status, 200, `${what}: ${answer.text}`);
          if (!('contentType' in schema)) checkAnswer(schema, answer.json(), what);
        }
        const { openapi } = (await ask(node, { path: '/openapi.json' })).json<{ openapi: string }>();
        assert.equal(openapi, '3.1.0');
      }
    });
  });

  scenario('every route that changes something answers as it is described', async (cluster) => {
    for (const [at, [key, path, body]] of changes.entries()) {
      const route = documentedRoutes.find((each) => routeKey(each) === key);
      assert.ok(route, key);
      const asked = { method: route.method, path, ...(body === undefined ? {} : { body }) };
      const answer = await ask(cluster.nodes[at % cluster.nodes.length]!, asked);
      assert.equal(answer.status, 200, `${key}: ${answer.text}`);
      const { answer: schema } = schemaOf(route);
      assert.ok(typeof schema === 'object' && !('contentType' in schema), key);
      checkAnswer(schema, answer.json(), key);
    }
    await eventually('the workload to be gone', 20_000, async () => (await cluster.workloads()).length === 0);
  });

  scenario('conditions, pages and refusals hold, whichever node is asked', async (cluster) => {
    await cluster.applyAll({ [name]: worker, web: sleepingContainer('web') });
    const [one, two] = [cluster.nodes[0]!, cluster.nodes[1]!];
    const shown = await ask(one, { path: '/v1/workloads/web' });
    const tag = String(shown.headers['etag']);
    const scale = { method: 'POST', path: '/v1/workloads/web/scale', body: { replicas: 2 } };
    const refused = await ask(two, { ...scale, headers: { 'if-match': '"1"' } });
    const problem = refused.json<Problem>();
    assert.deepEqual([refused.status, problem.code, refused.headers['etag']], [412, 'STALE', tag]);
    checkProblem(problem, 'a lost condition');
    assert.equal((await ask(two, { ...scale, headers: { 'if-match': tag } })).status, 200);
    await cluster.awaitRunning('web', 2);

    const seen: string[] = [];
    for (let next: string | undefined = ''; next !== undefined; ) {
      const query: string = next === '' ? '' : `&page=${next}`;
      const answer: RawAnswer = await ask(seen.length % 2 === 0 ? one : two, { path: `/v1/instances?limit=2${query}` });
      const page = answer.json<InstancesAnswer>();
      seen.push(...page.rows.map(({ display }) => display));
      next = page.next;
    }
    assert.deepEqual(seen, ['web.0', 'web.1', 'worker@1.service', 'worker@2.service']);

    const wrong: [asked: RawRequest, status: number][] = [
      [{ method: 'PATCH', path: '/v1/workloads/web' }, 405],
      [{ path: '/v3' }, 404],
      [{ method: 'POST', path: '/v1/apply', body: 'a', headers: { 'content-type': 'text/plain' } }, 415],
      [{ method: 'POST', path: '/v1/apply', body: '{' }, 400],
    ];
    for (const [asked, status] of wrong) {
      const answer = await ask(two, asked);
      assert.equal(answer.status, status, asked.path);
      checkProblem(answer.json(), asked.path);
    }
  });
});
